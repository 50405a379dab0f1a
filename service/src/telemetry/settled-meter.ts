import { Counter, type Registry } from 'prom-client'
import type { Settled } from '../store/record-outcomes.ts'

/** Counts outcomes of messages by channel. What was silenced as it came in was never on its way, and is not told of. */
export function settledMeter(registry: Registry): (settled: readonly Settled[]) => void {
  const messages = new Counter({
    name: 'switchgear_messages_total',
    help: 'Messages that have an outcome, by channel',
    labelNames: ['channel', 'state', 'reason'],
    registers: [registry],
  })
  return (settled) => {
    for (const { channel, state, reason = '' } of settled) messages.inc({ channel, state, reason })
  }
}
