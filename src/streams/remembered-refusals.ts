import type { Clock } from '../ports/clock.ts'
import { makeDecision } from '../ports/decision.ts'
import type { Decision } from '../ports/limiter.ts'
import type { AskedLimit } from '../ports/limits.ts'

/** A refund, a reset or a raised limit elsewhere must get through. */
const rememberedMsMax = 1_000
const keysMax = 10_000
const requestsMax = 64

interface Refusal {
  readonly decision: Decision
  readonly at: number
}

/** Refusals by key and request, each until its `retryAfterMs` and for a second at most; the oldest make room. */
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
  return {
    get generation() {
      return generation
    },
    get(key, asked) {
      const ofKey = byKey.get(key)
      const request = ofKey && requestOf(asked)
      const refusal = request === undefined ? undefined : ofKey?.get(request)
      if (ofKey === undefined || request === undefined || refusal === undefined) return undefined
      const sinceMs = clock.monotonic() - refusal.at
      if (sinceMs < Math.min(refusal.decision.retryAfterMs, rememberedMsMax)) return later(refusal.decision, sinceMs)
      ofKey.delete(request)
      if (ofKey.size === 0) byKey.delete(key)
      return undefined
    },
    add(key, asked, decision) {
      const ofKey = byKey.get(key) ?? new Map<string, Refusal>()
      makeRoom(ofKey, requestsMax)
      ofKey.set(requestOf(asked), { decision, at: clock.monotonic() })
      if (!byKey.has(key)) makeRoom(byKey, keysMax)
      byKey.set(key, ofKey)
    },
    forget(key) {
      generation += 1
      byKey.delete(key)
    },
  }
}

function requestOf(asked: readonly AskedLimit[]): string {
  return asked.map(({ name, cost }) => `${cost}:${name.length}:${name}`).join()
}

function makeRoom(map: Map<string, unknown>, max: number): void {
  if (map.size < max) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
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
