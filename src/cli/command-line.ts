import { runCommand, type CommandDef } from 'citty'
import { ConfigError } from '../index.ts'
import { commands } from './commands.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { reportError } from './report-error.ts'
import { checkUsage, commandUsage, mainUsage, version } from './usage.ts'

/** Runs what was typed after `switchgear`, and gives the exit code. Never rejects. */
export async function runCommandLine(argv: readonly string[]): Promise<ExitCode> {
  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  try {
    return await run(argv, options)
  } catch (error) {
    return reportError(error, options.includes('--json'))
  }
}

async function run([name, ...rest]: readonly string[], options: readonly string[]): Promise<ExitCode> {
  if (name === undefined) {
    process.stderr.write(`${await mainUsage(process.stderr)}\n`)
    return exitCodes.usage
  }
  if (name === '--version' || name === '-v') return print(version)
  if (isHelp(name)) return print(await mainUsage(process.stdout))
  const command = commandNamed(name)
  if (options.some(isHelp)) return print(await commandUsage(command, process.stdout))
  checkUsage(name, command, rest)
  const { result } = await runCommand(command, { rawArgs: [...rest] })
  return result as ExitCode
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h'
}

function commandNamed(name: string): CommandDef {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const all = Object.keys(commands).join(', ')
  const what = name.startsWith('-') ? 'the command comes first, its options after it' : 'there is no such command'
  throw new ConfigError(name, `${what}; expected one of ${all}, --help, --version`)
}

function print(text: string): ExitCode {
  process.stdout.write(`${text}\n`)
  return exitCodes.fine
}
