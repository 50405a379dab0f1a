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

async function run(argv: readonly string[], options: readonly string[]): Promise<ExitCode> {
  const [name] = argv
  if (name === undefined) return complain(await mainUsage(process.stderr))
  if (name === '--version' || name === '-v') return print(version)
  if (isHelp(name)) return print(await mainUsage(process.stdout))
  const { command, path, rest } = commandOf(argv)
  const groups = path.slice(0, -1)
  if (options.some(isHelp)) return print(await commandUsage(command, groups, process.stdout))
  if (command.subCommands !== undefined) return complain(await commandUsage(command, groups, process.stderr))
  checkUsage(path.join(' '), command, rest)
  const { result } = await runCommand(command, { rawArgs: [...rest] })
  return result as ExitCode
}

interface Found {
  readonly command: CommandDef
  /** The names that lead to it. */
  readonly path: readonly string[]
  readonly rest: readonly string[]
}

/** The command that is meant, or a group where none of its commands is named. @throws ConfigError */
function commandOf(argv: readonly string[]): Found {
  let among: Commands = commands
  for (let depth = 1; ; depth += 1) {
    const path = argv.slice(0, depth)
    const command = commandNamed(path, among)
    const [next] = argv.slice(depth)
    const within = command.subCommands as Commands | undefined
    if (within === undefined || next === undefined || isHelp(next)) return { command, path, rest: argv.slice(depth) }
    among = within
  }
}

type Commands = Readonly<Record<string, CommandDef>>

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h'
}

function commandNamed(path: readonly string[], among: Commands): CommandDef {
  const name = path.at(-1) ?? ''
  const command = Object.hasOwn(among, name) ? among[name] : undefined
  if (command !== undefined) return command
  const all = [...Object.keys(among), ...(path.length === 1 ? ['--help', '--version'] : ['--help'])].join(', ')
  const what = name.startsWith('-') ? 'the command comes first, its options after it' : 'there is no such command'
  throw new ConfigError(path.join(' '), `${what}; expected one of ${all}`)
}

/** For somebody who asked for nothing. */
function complain(usage: string): ExitCode {
  process.stderr.write(`${usage}\n`)
  return exitCodes.usage
}

function print(text: string): ExitCode {
  process.stdout.write(`${text}\n`)
  return exitCodes.fine
}
