import type { BreakerView, Bucket, DashboardView, Summary, TransitionView } from './wire.ts'

/** Transitions that are kept of one breaker, and breakers' transitions in all. */
const transitionsMax = 200
const bucketsMax = 400

/** What the page knows. */
export interface Board {
  readonly view: DashboardView | undefined
  readonly summary: Summary | undefined
  readonly breakers: ReadonlyMap<string, BreakerView>
  /** The oldest first. */
  transitionsOf(breaker: string): readonly TransitionView[]
  /** The oldest first. */
  buckets(): readonly Bucket[]
  /** The service's time, in ms since the epoch: the clock of this machine may be another. */
  now(): number
  onView(view: DashboardView): void
  onSummary(summary: Summary): void
  /** Gives whether it is news. */
  onTransition(transition: TransitionView): boolean
  onBreakers(breakers: readonly BreakerView[]): void
}

export function createBoard(): Board {
  const breakers = new Map<string, BreakerView>()
  const transitions = new Map<string, TransitionView[]>()
  const buckets = new Map<number, Bucket>()
  let view: DashboardView | undefined
  let summary: Summary | undefined
  let aheadMs = 0

  return {
    get view() {
      return view
    },
    get summary() {
      return summary
    },
    breakers,
    transitionsOf: (breaker) => transitions.get(breaker) ?? [],
    buckets: () => [...buckets.values()].toSorted((a, b) => a.at - b.at),
    now: () => Date.now() + aheadMs,
    onView(next) {
      view = next
      aheadMs = next.at - Date.now()
      breakers.clear()
      transitions.clear()
      buckets.clear()
      for (const breaker of next.breakers) breakers.set(breaker.name, breaker)
      for (const transition of next.transitions) keep(transition)
      for (const bucket of next.activity.buckets) buckets.set(bucket.at, bucket)
      onSummary(next.summary)
    },
    onSummary,
    onTransition(transition) {
      if (!keep(transition)) return false
      // Another instance's own affair does not change where this one stands.
      const isOurs = transition.scope === 'fleet' || transition.instance === view?.instance
      if (transition.state !== undefined && isOurs) breakers.set(transition.breaker, transition.state)
      return true
    },
    onBreakers(next) {
      for (const breaker of next) breakers.set(breaker.name, breaker)
    },
  }

  function onSummary(next: Summary): void {
    summary = next
    aheadMs = next.at - Date.now()
    for (const bucket of next.buckets) buckets.set(bucket.at, bucket)
    for (const at of buckets.keys()) {
      if (buckets.size <= bucketsMax) break
      buckets.delete(at)
    }
  }

  function keep(transition: TransitionView): boolean {
    const all = transitions.get(transition.breaker) ?? []
    if (all.some((known) => isSame(known, transition))) return false
    transitions.set(transition.breaker, all)
    all.push(transition)
    all.sort((a, b) => a.at - b.at || a.seq - b.seq)
    if (all.length > transitionsMax) all.shift()
    return true
  }
}

function isSame(a: TransitionView, b: TransitionView): boolean {
  if (a.scope === 'fleet' || b.scope === 'fleet') return a.scope === b.scope && a.seq === b.seq && a.to === b.to
  return a.instance === b.instance && a.at === b.at && a.to === b.to
}
