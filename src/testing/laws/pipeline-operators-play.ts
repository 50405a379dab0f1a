import { strict as assert } from 'node:assert'
import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { Observable, type Subscriber } from 'rxjs'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'

/** What goes through an operator. */
export interface PipelineItem {
  readonly key: 'a' | 'b'
  /** In the order in which the source emitted them, from 0. */
  readonly number: number
}

export interface PipelineRig {
  readonly clock: VirtualClock
  /** The caller's, long-lived; nobody may be left listening to it. */
  readonly signal: AbortSignal
}

/** An operator of the library, made to pass on items; with its part of the world as it needs it. */
export interface OperatorSubject {
  readonly operate: (source$: Observable<PipelineItem>, rig: PipelineRig) => Observable<PipelineItem>
  /** Every item that a source emitted before it completed comes out, and those of a key in their order. */
  readonly passesAll: boolean
}

type Step =
  | { readonly does: 'next'; readonly key: 'a' | 'b' }
  | { readonly does: 'wait'; readonly ms: number }
  | { readonly does: 'error' }
  | { readonly does: 'complete' }

/** What the source does, when it is left, and when its reader has it take a step from within an emission. */
export interface OperatorScript {
  readonly steps: readonly Step[]
  /** Left before that step, or within that emission; or when it has ended by itself. */
  readonly leaves: { readonly before: number } | { readonly within: number } | 'at its end'
  /** The numbers of the emissions from within which the source takes its next step. */
  readonly reenters: readonly number[]
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Step>({ does: 'next', key: 'a' }, { does: 'next', key: 'b' }) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 30, 200).map((ms): Step => ({ does: 'wait', ms })) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ does: 'error' }, { does: 'complete' }) },
)

export const operatorScripts: fc.Arbitrary<OperatorScript> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 16 }),
  leaves: fc.oneof(
    fc.constant('at its end' as const),
    fc.nat({ max: 15 }).map((before) => ({ before })),
    fc.nat({ max: 7 }).map((within) => ({ within })),
  ),
  reenters: fc.uniqueArray(fc.nat({ max: 7 }), { maxLength: 3 }),
})

/** What was seen of an operator while a script was played. */
export interface OperatorPlay {
  readonly emitted: readonly PipelineItem[]
  readonly received: readonly PipelineItem[]
  /** How it ended, each time that it did. */
  readonly ends: readonly ('completed' | 'failed')[]
  /** What came when it had ended, or after it was left. */
  readonly late: number
  readonly left: boolean
  /** A step that was taken from within an emission. */
  readonly reentered: boolean
  /** Right after it was left or had ended, where that was before the script was over, and long after. */
  readonly remains: readonly Remains[]
}

interface Remains {
  readonly when: string
  readonly timers: number
  readonly subscriptions: number
  readonly listeners: number
}

/** Long enough for every wait and every deadline of a subject. */
const longMs = 60_000

/** Plays a script on an operator, and goes on until it has ended or was left, and nothing can come any more. */
export async function playOperator({ operate }: OperatorSubject, script: OperatorScript): Promise<OperatorPlay> {
  const clock = virtualClock()
  const { signal } = new AbortController()
  const source = scriptedSource(script.steps)
  const items$ = operate(source.items$, { clock, signal })
  await clock.advanceBy(1_000)
  const idleTimers = clock.pendingTimers
  const seen = { received: new Array<PipelineItem>(), ends: new Array<'completed' | 'failed'>(), late: 0 }
  const remains: Remains[] = []
  let left = false
  let reentered = false
  /** Promises that end with a call let go of its timers and signals a few turns later; no time passes. */
  const look = async (when: string): Promise<void> => {
    await clock.settle()
    const { subscriptions } = source
    const listeners = getEventListeners(signal, 'abort').length
    remains.push({ when, timers: clock.pendingTimers - idleTimers, subscriptions, listeners })
  }
  const leave = (): void => {
    left = true
    subscription.unsubscribe()
  }
  const isOver = (): boolean => left || seen.ends.length > 0
  const subscription = items$.subscribe({
    next(item) {
      const number = seen.received.length
      if (isOver()) seen.late += 1
      seen.received.push(item)
      if (typeof script.leaves === 'object' && 'within' in script.leaves && script.leaves.within === number) leave()
      else if (script.reenters.includes(number)) reentered = source.stepNow() || reentered
    },
    error: () => void seen.ends.push('failed'),
    complete: () => void seen.ends.push('completed'),
  })
  for (let waitMs = source.step(); waitMs !== undefined; waitMs = source.step()) {
    if (isOver() && remains.length === 0) await look('just after it was left, or had ended')
    if (waitMs > 0) await clock.advanceBy(waitMs)
    if (typeof script.leaves === 'object' && 'before' in script.leaves && script.leaves.before < source.at && !left)
      leave()
  }
  await clock.advanceBy(longMs)
  source.complete()
  await clock.advanceBy(longMs)
  await look('long after')
  return { ...seen, emitted: source.emitted, left, reentered, remains }
}

/** Takes its steps for whoever is subscribed to it at the time. */
function scriptedSource(steps: readonly Step[]) {
  const subscribers = new Set<Subscriber<PipelineItem>>()
  const emitted: PipelineItem[] = []
  let at = 0
  const items$ = new Observable<PipelineItem>((subscriber) => {
    subscribers.add(subscriber)
    return () => subscribers.delete(subscriber)
  })
  const take = (taken: Step): void => {
    for (const subscriber of subscribers) {
      if (taken.does === 'error') subscriber.error(new Error('the source broke'))
      if (taken.does === 'complete') subscriber.complete()
      if (taken.does !== 'next') continue
      const item = { key: taken.key, number: emitted.length }
      emitted.push(item)
      subscriber.next(item)
    }
  }
  return {
    items$,
    emitted,
    get at() {
      return at
    },
    get subscriptions() {
      return subscribers.size
    },
    /** Takes the next step; how long to wait after it, or `undefined` when there is none. */
    step(): number | undefined {
      const next = steps[at]
      if (next === undefined) return undefined
      at += 1
      take(next)
      return next.does === 'wait' ? next.ms : 0
    },
    /** The same at once, if it is an emission. */
    stepNow(): boolean {
      const next = steps[at]
      if (next?.does !== 'next') return false
      at += 1
      take(next)
      return true
    },
    complete: () => take({ does: 'complete' }),
  }
}

/** @throws AssertionError where something is left */
export function assertNothingLeft({ remains, late }: OperatorPlay): void {
  for (const { when, timers, listeners, subscriptions } of remains) {
    assert.equal(timers, 0, `timers that are left ${when}`)
    assert.equal(listeners, 0, `listeners that are left ${when}`)
    assert.equal(subscriptions, 0, `subscriptions to the source that are left ${when}`)
  }
  assert.equal(late, 0, 'emissions after its end')
}

/** @throws AssertionError where an item is missing, comes twice, or overtakes one of its key */
export function assertAllCame({ emitted, received }: OperatorPlay): void {
  for (const key of ['a', 'b']) {
    const ofKey = (items: readonly PipelineItem[]): number[] =>
      items.filter((item) => item.key === key).map(({ number }) => number)
    assert.deepEqual(ofKey(received), ofKey(emitted), `items of key ${key} that came, and those that were emitted`)
  }
}
