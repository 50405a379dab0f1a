import type { Clock } from '../../ports/clock.ts'
import { makeDecision } from '../../ports/decision.ts'
import type { Decision } from '../../ports/limiter.ts'
import type { AskedLimit } from '../../ports/limits.ts'

/** A refund, a reset or a raised limit elsewhere must get through. */
const rememberedMsMax = 1_000
/** Of all keys together. */
const refusalsMax = 10_000

interface Refusal {
  readonly decision: Decision
  readonly at: number
}

/** Refusals by key and request, each until its `retryAfterMs` and for a second at most; the oldest keys make room. */
export interface RememberedRefusals {
  /** Grows when something is forgotten: what was asked before says nothing any more. */
  readonly generation: number
  get(key: string, asked: readonly AskedLimit[]): Decision | undefined
  add(key: string, asked: readonly AskedLimit[], decision: Decision): void
  forget(key: string): void
}

export function rememberedRefusals(clock: Clock): RememberedRefusals {
  const byKey = new Map<string, Map<string, Refusal>>()
  let generation = 0
  let remembered = 0
  const drop = (key: string): void => {
    remembered -= byKey.get(key)?.size ?? 0
    byKey.delete(key)
  }
  const makeRoom = (): void => {
    if (remembered < refusalsMax) return
    for (const oldest of byKey.keys()) return drop(oldest)
  }
  return {
    get generation() {
      return generation
    },
    get(key, asked) {
      const ofKey = byKey.get(key)
      if (ofKey === undefined) return undefined
      const request = requestOf(asked)
      const refusal = ofKey.get(request)
      if (refusal === undefined) return undefined
      const sinceMs = clock.monotonic() - refusal.at
      if (sinceMs < Math.min(refusal.decision.retryAfterMs, rememberedMsMax)) return later(refusal.decision, sinceMs)
      ofKey.delete(request)
      remembered -= 1
      if (ofKey.size === 0) byKey.delete(key)
      return undefined
    },
    add(key, asked, decision) {
      const request = requestOf(asked)
      if (byKey.get(key)?.has(request) !== true) {
        makeRoom()
        remembered += 1
      }
      const ofKey = byKey.get(key) ?? new Map<string, Refusal>()
      ofKey.set(request, { decision, at: clock.monotonic() })
      byKey.set(key, ofKey)
    },
    forget(key) {
      generation += 1
      drop(key)
    },
  }
}

function requestOf(asked: readonly AskedLimit[]): string {
  return asked.map(({ name, cost }) => `${cost}:${name.length}:${name}`).join()
}

/** The same refusal, so much later. */
function later(decision: Decision, sinceMs: number): Decision {
  const left = (ms: number): number => Math.max(0, Math.ceil(ms - sinceMs))
  return makeDecision({
    ...decision,
    retryAfterMs: left(decision.retryAfterMs),
    limits: decision.limits.map((limit) => ({ ...limit, resetMs: left(limit.resetMs) })),
  })
}
