import { createRequire } from 'node:module'
import { parseArgs, stripVTControlCharacters, type ParseArgsConfig } from 'node:util'
import { renderUsage, type ArgsDef, type CommandDef } from 'citty'
import { ConfigError } from '../index.ts'
import { commands } from './commands.ts'
import { exitCodeMeanings } from './exit-codes.ts'
import { environment } from './fleet-options.ts'
import { severalName } from './given.ts'
import { inColour } from './screen.ts'
import { storeEnvironment } from './store-options.ts'

export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string }).version

const root: CommandDef = {
  meta: { name: 'switchgear', version, description: 'Watch and order what the instances of a fleet share' },
  subCommands: { ...commands },
}

/** The help of `switchgear` itself, as it is to be shown on this stream. */
export function mainUsage(on: NodeJS.WriteStream): Promise<string> {
  return usage(on, renderUsage(root))
}

/** The help of a command, or of a group of them, which stands in the groups of these names. */
export function commandUsage(command: CommandDef, groups: readonly string[], on: NodeJS.WriteStream): Promise<string> {
  const parent = { meta: { name: ['switchgear', ...groups].join(' '), version } }
  return usage(on, renderUsage(command, parent))
}

async function usage(on: NodeJS.WriteStream, rendered: Promise<string>): Promise<string> {
  const text = [
    (await rendered).replaceAll(/ +$/gm, '').trimEnd(),
    '',
    'ENVIRONMENT',
    '',
    ...[...environment, ...storeEnvironment].map(([name, meaning]) => `  ${name.padEnd(15)}${meaning}`),
    '',
    'EXIT CODES',
    '',
    ...exitCodeMeanings.map(([code, meaning]) => `  ${String(code).padEnd(15)}${meaning}`),
  ].join('\n')
  return inColour(on) ? text : stripVTControlCharacters(text)
}

/**
 * Refuses what the parser of the commands would pass over: unknown options, options without their value, and more or
 * fewer arguments than there are. @throws ConfigError that shows no value, since it might be a password
 */
export function checkUsage(name: string, { args }: CommandDef, given: readonly string[]): void {
  const all = Object.entries(args as ArgsDef)
  const refuse = (what: string): ConfigError =>
    new ConfigError(name, `${what}; \`switchgear ${name} --help\` has all of it`)
  const positionals = all.filter(([, { type }]) => type === 'positional')
  const required = positionals.filter(([, { required }]) => required !== false)
  const found = parsed(all, given, refuse).length
  const missing = required[found]
  if (missing !== undefined) throw refuse(`<${missing[0].toUpperCase()}> is missing`)
  const takesSeveral = positionals.some(([option]) => option === severalName)
  if (found > positionals.length && !takesSeveral)
    throw refuse(`expected ${counted(positionals.length)}, and there are ${found}`)
}

function counted(positionals: number): string {
  return positionals > 1 ? `${positionals} arguments` : `${positionals || 'no'} argument`
}

function parsed(
  all: readonly [string, ArgsDef[string]][],
  given: readonly string[],
  refuse: (what: string) => ConfigError,
): readonly string[] {
  const options: ParseArgsConfig['options'] = {}
  for (const [name, { type }] of all) {
    if (type !== 'positional') options[name] = { type: type === 'boolean' ? 'boolean' : 'string' }
  }
  try {
    return parseArgs({ args: [...given], options, allowPositionals: true, strict: true }).positionals
  } catch (error) {
    const [what] = (error instanceof Error ? error.message : String(error)).split(/[.;\n]/)
    throw refuse(lowerFirst(what ?? ''))
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
