import type { Call } from '../../machines/breaker-options.ts'
import type { Clock } from '../../ports/clock.ts'

/** What the other side of a transport does with one request. */
export type TransportOutcome =
  | { readonly does: 'answer'; readonly value: unknown; readonly tookMs: number }
  | {
      readonly does: 'http'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly tookMs: number
    }
  | { readonly does: 'throw'; readonly thrown: unknown; readonly tookMs: number }
  | { readonly does: 'timeOut' }

/** Whether everybody would say that the other side is in trouble; a 4xx, or what was thrown by hand, may mean anything. */
export function isFailure(outcome: TransportOutcome): boolean {
  return outcome.does === 'http' ? outcome.status >= 500 : outcome.does !== 'answer'
}

/** A transport that answers, with `value` or with what a `fetch` would give, after `tookMs`. */
export function ok(value?: unknown, { tookMs = 0 }: { readonly tookMs?: number } = {}): TransportOutcome {
  return { does: 'answer', value: value ?? { ok: true, status: 200, headers: {} }, tookMs }
}

/**
 * One that answers with this status. From 400 it rejects, as most clients do, with an error that has `status` and
 * `headers`, so that `Retry-After` can be tried; below that it gives `{ ok, status, headers }`.
 */
export function http(
  status: number,
  { headers = {}, tookMs = 0 }: { readonly headers?: Readonly<Record<string, string>>; readonly tookMs?: number } = {},
): TransportOutcome {
  return { does: 'http', status, headers, tookMs }
}

/** One that never answers: it ends with the call's signal, or by itself after 30 s. */
export function timedOut(): TransportOutcome {
  return { does: 'timeOut' }
}

/** One that fails with this: a text is the message of an error, anything else is thrown as it is. */
export function thrown(what: unknown, { tookMs = 0 }: { readonly tookMs?: number } = {}): TransportOutcome {
  return { does: 'throw', thrown: what, tookMs }
}

/** When a transport gives up by itself, in ms. */
const transportTimeoutMs = 30_000

/** Plays an outcome on a clock. */
export async function respondWith(outcome: TransportOutcome, clock: Clock, call: Call): Promise<unknown> {
  if (outcome.does === 'timeOut') {
    await clock.sleep(transportTimeoutMs, { signal: call.signal })
    throw Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })
  }
  if (outcome.tookMs > 0) await clock.sleep(outcome.tookMs, { signal: call.signal })
  switch (outcome.does) {
    case 'answer':
      return outcome.value
    case 'http': {
      const { status, headers } = outcome
      if (status < 400) return { ok: status < 300, status, headers }
      throw Object.assign(new Error(`HTTP ${status}`), { status, headers })
    }
    case 'throw':
      throw typeof outcome.thrown === 'string' ? new Error(outcome.thrown) : outcome.thrown
    default:
      return outcome satisfies never
  }
}

/** An outcome in a few words, for a story. */
export function describeOutcome(outcome: TransportOutcome): string {
  switch (outcome.does) {
    case 'answer':
      return 'answers'
    case 'http':
      return `answers ${outcome.status}`
    case 'throw':
      return 'fails'
    case 'timeOut':
      return 'does not answer'
    default:
      return outcome satisfies never
  }
}
