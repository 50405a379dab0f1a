import type { Bucket, DecisionView, LimitUse, OutcomeView } from './page/wire.ts'

/** What is counted together, in ms, and how far back. */
export const bucketMs = 5_000
const bucketsMax = 180
/** Pairs of an organization and what happened that a bucket tells apart; what comes on top is counted under no name. */
const keysMax = 2_000
/** Uses of limits that are told of one bucket, those with most refusals first. */
const usesMax = 50

/** Counts outcomes and decisions of the last 15 minutes. */
export interface Activity {
  outcome(outcome: OutcomeView): void
  decision(decision: DecisionView): void
  /** The buckets since then, the oldest first, of one organization or of all. */
  since(at: number, organization: string | undefined): readonly Bucket[]
}

interface Counted {
  readonly at: number
  /** By organization, channel and state, and by organization and limit. */
  readonly outcomes: Map<string, OutcomeCount>
  readonly limits: Map<string, MutableUse>
}

interface OutcomeCount {
  readonly organization: string
  readonly channel: string
  readonly state: string
  count: number
}

type MutableUse = { -readonly [Key in keyof LimitUse]: LimitUse[Key] }

export function createActivity(now: () => number = Date.now): Activity {
  const buckets: Counted[] = []

  return {
    outcome({ organization, channel, state }) {
      const { outcomes } = current()
      const owner = ownerIn(outcomes, organization, channel, state)
      const key = keyOf(owner, channel, state)
      const counted = outcomes.get(key) ?? { organization: owner, channel, state, count: 0 }
      counted.count += 1
      outcomes.set(key, counted)
    },
    decision({ organization, allowed, degraded, limits }) {
      const { limits: uses } = current()
      for (const { name } of limits) {
        const owner = ownerIn(uses, organization, name)
        const key = keyOf(owner, name)
        const use = uses.get(key) ?? { organization: owner, name, allowed: 0, refused: 0, degraded: 0 }
        if (allowed) use.allowed += 1
        else use.refused += 1
        if (degraded) use.degraded += 1
        uses.set(key, use)
      }
    },
    since: (at, organization) =>
      buckets.filter((bucket) => bucket.at >= at).map((bucket) => told(bucket, organization)),
  }

  function current(): Counted {
    const at = Math.floor(now() / bucketMs) * bucketMs
    const last = buckets.at(-1)
    // A clock that was set back counts on where it was.
    if (last !== undefined && last.at >= at) return last
    const bucket: Counted = { at, outcomes: new Map(), limits: new Map() }
    buckets.push(bucket)
    while (buckets.length > bucketsMax || (buckets[0]?.at ?? at) <= at - bucketsMax * bucketMs) buckets.shift()
    return bucket
  }
}

function told({ at, outcomes, limits }: Counted, organization: string | undefined): Bucket {
  const isSeen = (of: { readonly organization: string }) =>
    organization === undefined || of.organization === organization
  const byChannel: Record<string, Record<string, number>> = {}
  for (const { channel, state, count } of [...outcomes.values()].filter(isSeen)) {
    const states = (byChannel[channel] ??= {})
    states[state] = (states[state] ?? 0) + count
  }
  const uses = [...limits.values()].filter(isSeen)
  const decisions = uses.toSorted((a, b) => b.refused - a.refused || b.allowed - a.allowed).slice(0, usesMax)
  return { at, outcomes: byChannel, decisions: decisions.map((use) => ({ ...use })) }
}

function ownerIn(counted: ReadonlyMap<string, unknown>, organization: string, ...of: readonly string[]): string {
  return counted.size < keysMax || counted.has(keyOf(organization, ...of)) ? organization : ''
}

function keyOf(...parts: readonly string[]): string {
  return parts.join('\0')
}
