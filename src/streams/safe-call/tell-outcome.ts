import { channel } from 'node:diagnostics_channel'
import type { Outcome } from '../../kernel/outcome.ts'

const calls = channel('switchgear:call')

/** Tells whoever listens on `switchgear:call` of `node:diagnostics_channel` what came of a call, and gives it back. */
export function tellOutcome<T extends Outcome<unknown>>(breaker: string | undefined, outcome: T): T {
  if (calls.hasSubscribers) calls.publish({ breaker, outcome })
  return outcome
}
