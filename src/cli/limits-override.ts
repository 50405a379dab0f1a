import type { CommandDef } from 'citty'
import { ConfigError, type LimitDefinition, type Limits } from '../index.ts'
import { parseDuration, typedDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { isGiven, textOf, type Given } from './given.ts'
import { checkKnown, knownLimits, limiterOf, limitsArgs, readLimits } from './known-limits.ts'
import { standingsOf } from './limit-standing.ts'
import { printable } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Gives an organization a limit of its own, or takes it back. */
export const override: CommandDef = storeCommand({
  name: 'override',
  description: 'Give an organization a limit of its own from now on, for every instance, or take it back',
  args: {
    organization: { type: 'positional', required: true, description: 'Its name' },
    name: { type: 'positional', required: true, description: 'That of the limit' },
    limit: { type: 'string', description: 'What may be granted in a window', valueHint: 'n' },
    window: { type: 'string', description: 'The length of the window', valueHint: '30s|10m|2h|1d' },
    none: { type: 'boolean', description: 'Instead: what holds for everybody' },
    ...limitsArgs,
  },
  prepare(given) {
    const [organization, name] = [textOf(given, 'organization') ?? '', textOf(given, 'name') ?? '']
    const wanted = readDefinition(given)
    const ofFile = readLimits(given)
    return (stores) => change(stores, { organization, name, wanted, ofFile })
  },
})

interface Change {
  readonly organization: string
  readonly name: string
  /** `null`: none of its own. */
  readonly wanted: LimitDefinition | null
  readonly ofFile: Limits | undefined
}

async function change(stores: Stores, { organization, name, wanted, ofFile }: Change): Promise<ExitCode> {
  const { fleet, screen } = stores
  const limits = await knownLimits(stores, ofFile)
  checkKnown(name, limits)
  const limiter = limiterOf(stores, limits)
  await limiter.override(organization, { [name]: wanted })
  const standings = await standingsOf(stores, limiter, organization, limits)
  const standing = standings.find((each) => each.name === name)
  if (screen.json) screen.printJson({ fleet, organization, ...standing })
  else if (standing !== undefined) {
    const { limit, windowMs, remaining } = standing
    const what = wanted === null ? 'what holds for everybody' : 'its own'
    const of = `limit "${printable(name)}" of "${printable(organization)}"`
    screen.print(`${of} is ${what}: ${limit} in ${typedDuration(windowMs)}, ${remaining} left`)
  }
  return exitCodes.fine
}

const windowMaxMs = 2_678_400_000

/** @throws ConfigError */
function readDefinition(given: Given): LimitDefinition | null {
  const [limit, window] = [textOf(given, 'limit'), textOf(given, 'window')]
  if (isGiven(given, 'none')) {
    if (limit === undefined && window === undefined) return null
    throw new ConfigError('--none', 'it does not go with --limit or --window')
  }
  if (limit === undefined || window === undefined)
    throw new ConfigError(limit === undefined ? '--limit' : '--window', 'expected --limit and --window, or --none')
  const wanted = {
    limit: /^\d+$/.test(limit) ? Number(limit) : 0,
    windowMs: parseDuration(window, '--window', windowMaxMs),
  }
  if (wanted.limit < 1 || wanted.limit > 1_000_000_000)
    throw new ConfigError('--limit', `expected a whole number from 1 to 1000000000 (given: ${JSON.stringify(limit)})`)
  return wanted
}
