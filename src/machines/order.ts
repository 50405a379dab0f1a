import { z } from 'zod'
import { ClosedError, UnavailableError } from '../kernel/errors.ts'
import { durationMs, parseOptions } from '../kernel/options.ts'
import { within } from '../ports/clock.ts'
import type { Order } from './breaker-events.ts'
import type { BreakerHost } from './breaker-lifecycle.ts'
import type { BreakerSettings } from './breaker-options.ts'

/** How long an order waits for the link to come up, and then for the log, in ms. */
const linkWaitMs = 5_000
const logWaitMs = 15_000

/**
 * Gives an operator's order to the whole fleet; resolves once that has taken it, or has no use for it.
 * @throws ConfigError, ClosedError, UnavailableError where the log does not take it in time
 */
export async function giveOrder(
  host: Pick<BreakerHost<unknown>, 'clock' | 'replica' | 'closed'>,
  breaker: { readonly name: string; readonly settings: BreakerSettings },
  kind: 'forcedOpen' | 'disabled' | 'released',
  given: Order,
): Promise<void> {
  const order = parseOptions(orderSchema, given, 'order')
  const closed = (): ClosedError => new ClosedError(`breaker "${breaker.name}"`)
  if (host.closed) throw closed()
  const { clock, replica } = host
  await replica.whenLinked(linkWaitMs)
  const proposing = replica.propose(breaker.name, breaker.settings, { type: 'order', kind, order }, { jitter: false })
  const proposed = await within(clock, logWaitMs, proposing)
  if (proposed?.status === 'accepted' || proposed?.status === 'moot') return
  if (host.closed) throw closed()
  if (proposed === undefined)
    throw new UnavailableError('event log', `it did not take the order within ${logWaitMs} ms; it still may`)
  if (proposed.status === 'failed') throw proposed.error
  throw new UnavailableError('event log', unsaid[proposed.status])
}

const unsaid = Object.freeze({
  unlinked: 'there is no link to the fleet, so nobody can be told',
  uncertain:
    'something of this breaker was missed, and where it stands is known in ten seconds at most; try again then',
})

const orderSchema: z.ZodType<Order> = z.strictObject({
  by: writtenText(128),
  reason: writtenText(512),
  forMs: durationMs.optional(),
})

/** A text of 1 to `bytesMax` bytes as it is written into the log, where an order stands several times in one message. */
function writtenText(bytesMax: number): z.ZodString {
  const bytes = (text: string): number => new TextEncoder().encode(JSON.stringify(text)).length - '""'.length
  return z
    .string()
    .min(1)
    .refine((text) => bytes(text) <= bytesMax, { error: `expected at most ${bytesMax} bytes` })
}
