import { parseArgs } from 'node:util'
import { ConfigError } from 'switchgear'

/**
 * A flag that is mistyped is refused: the command line's library passes over it, and a default would hold unnoticed.
 * @throws ConfigError naming it.
 */
export function refuseUnknown(command: string, given: readonly string[], known: readonly string[] = []): void {
  const options = Object.fromEntries(known.map((name) => [name, { type: 'string' } as const]))
  try {
    parseArgs({ args: [...given], options })
  } catch (error) {
    const [what] = String(error instanceof Error ? error.message : error).split('. ')
    throw new ConfigError(command, `${what}; \`switchgear-service ${command} --help\` has all of it`)
  }
}
