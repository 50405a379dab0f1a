import type { ArgsDef } from 'citty'
import { ConfigError, type Breaker, type Order } from '../index.ts'
import { parseDuration, readableDuration, readableTime } from './duration.ts'
import { textOf, type Given } from './given.ts'
import { operatorName } from './operator.ts'
import { printable } from './printable.ts'
import type { Screen } from './screen.ts'
import { standing } from './standing.ts'

/** Who orders what and why: what every order needs. */
export const orderArgs: ArgsDef = {
  breaker: { type: 'positional', required: true, description: 'Its name' },
  reason: { type: 'string', description: 'Why; it stands in the log (required)', valueHint: 'text' },
  by: { type: 'string', description: 'Who orders it (the user of this machine)', valueHint: 'name' },
}

export const durationArgs: ArgsDef = {
  for: { type: 'string', description: 'How long it stands (until it is released)', valueHint: '30s|10m|2h|1d' },
}

export interface GivenOrder {
  readonly breaker: string
  readonly order: Order
}

/** @throws ConfigError */
export function readOrder(given: Given): GivenOrder {
  const reason = textOf(given, 'reason') ?? ''
  if (reason.trim() === '')
    throw new ConfigError('--reason', 'an order needs one; it stands in the log for those who wonder')
  const by = textOf(given, 'by') ?? operatorName()
  if (by === undefined) throw new ConfigError('--by', 'an order needs a name, and this machine has none for its user')
  const duration = textOf(given, 'for')
  const forMs = duration === undefined ? {} : { forMs: parseDuration(duration, '--for') }
  return { breaker: textOf(given, 'breaker') ?? '', order: { by, reason, ...forMs } }
}

/** Prints what the fleet has taken: where the breaker stands now, by whose order, until when. */
export function showTaken({ name, state }: Breaker, screen: Screen): void {
  if (screen.json) return screen.printJson(standing(name, state))
  const { mode, by, reason, retryAt } = state
  const until =
    mode === 'closed'
      ? ''
      : retryAt === undefined
        ? ', until it is released'
        : `, until ${readableTime(retryAt)} (${readableDuration(Math.max(0, retryAt - Date.now()))})`
  screen.print(
    `breaker "${printable(name)}" is ${screen.mode(mode, mode)} by ${printable(by)}${until}: ${printable(reason)}`,
  )
}
