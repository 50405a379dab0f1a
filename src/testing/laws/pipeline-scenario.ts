import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { NEVER, type Observable, Subject } from 'rxjs'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { memoryLetters } from '../../adapters/memory/letters.ts'
import { memoryLimiter } from '../../adapters/memory/limiter.ts'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { Timer } from '../../ports/clock.ts'
import type { ItemSink } from '../../ports/item-source.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { deliver, DeliverBreaker, Delivered, DeliverOptions } from '../../streams/pipeline/deliver.ts'
import { fromItemSource } from '../../streams/pipeline/source-observable.ts'
import { fleetOfBreakers, type TestedInstance } from '../fleet-of-breakers.ts'
import { seededRandom } from '../seeded-random.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { inMemory, queueOver } from './dead-letters-subject.ts'

/** What a pipeline is to deliver, and how that goes. */
interface Item {
  readonly afterMs: number
  readonly key: string
  readonly destination: string
  /** What each attempt does; the last one is repeated. */
  readonly does: readonly ('succeed' | 'fail' | 'failForGood' | 'throw' | 'hang' | 'askToWait')[]
  readonly tookMs: number
  readonly abortsAfterMs: number | undefined
}

/** One pipeline and what happens to it, as plain data. */
export interface DeliverScenario {
  readonly seed: number
  readonly source: 'pushed' | 'asked'
  readonly items: readonly Item[]
  readonly guarded: boolean
  readonly concurrency: number
  readonly maxWaiting: number
  readonly ordered: boolean
  readonly whenOpen: 'wait' | 'refuse'
  readonly limit: 'none' | 'wait' | 'refuse'
  readonly maxAgeMs: number | undefined
  readonly letters: 'none' | 'sound' | 'broken'
  /** How it ends, before which item. */
  readonly ends: { readonly by: 'complete' | 'error' | 'drain' | 'unsubscribe'; readonly before: number }
}

export const deliverScenarios: fc.Arbitrary<DeliverScenario> = fc.record({
  seed: fc.nat(),
  source: fc.constantFrom('pushed', 'asked'),
  items: fc.array(
    fc.record({
      afterMs: fc.constantFrom(0, 0, 0, 1, 40, 400),
      key: fc.constantFrom('a', 'a', 'b', 'c'),
      destination: fc.constantFrom('x', 'y'),
      does: fc.array(fc.constantFrom('succeed', 'succeed', 'fail', 'failForGood', 'throw', 'hang', 'askToWait'), {
        minLength: 1,
        maxLength: 3,
      }),
      tookMs: fc.constantFrom(0, 1, 30, 90),
      abortsAfterMs: fc.option(fc.nat({ max: 300 }), { nil: undefined, freq: 8 }),
    }),
    { minLength: 1, maxLength: 16 },
  ),
  guarded: fc.boolean(),
  concurrency: fc.integer({ min: 1, max: 4 }),
  maxWaiting: fc.integer({ min: 0, max: 6 }),
  ordered: fc.boolean(),
  whenOpen: fc.constantFrom('wait', 'wait', 'refuse'),
  limit: fc.constantFrom('none', 'none', 'wait', 'refuse'),
  maxAgeMs: fc.option(fc.integer({ min: 1, max: 2_000 }), { nil: undefined }),
  letters: fc.constantFrom('none', 'sound', 'sound', 'broken'),
  ends: fc.record({
    by: fc.constantFrom('complete', 'complete', 'error', 'drain', 'unsubscribe'),
    before: fc.nat({ max: 16 }),
  }),
})

interface Numbered extends Item {
  readonly id: number
}

/** What was seen of a pipeline. */
export interface DeliverPlay {
  /** Ids of the items that it was given, in their order. */
  readonly given: readonly number[]
  readonly outcomes: readonly { readonly id: number; readonly outcome: Delivered<Numbered, number> }[]
  /** Of a source that is asked: what it was told. */
  readonly settled: readonly { readonly id: number; readonly outcome: Outcome<unknown> }[]
  /** Attempts, in the order in which they began. */
  readonly attempts: readonly { readonly id: number; readonly key: string; readonly alongside: readonly string[] }[]
  readonly ends: readonly string[]
  /** What came after its end, or after it was left. */
  readonly late: number
  readonly most: { readonly inFlight: number; readonly inHand: number; readonly asked: number }
  /** Ids by which letters there are. */
  readonly letters: readonly string[]
  /** Right after its end where nothing else has timers, and long after. */
  readonly remains: readonly { readonly when: string; readonly timers: number; readonly listeners: number }[]
}

/** Long enough for every wait there is. */
const longMs = 120_000
const timeoutMs = 100

/** Plays a scenario on the real operator, with real breakers, limits and letters. */
export async function playDeliver(operator: typeof deliver, scenario: DeliverScenario): Promise<DeliverPlay> {
  const clock = virtualClock()
  const world = await worldOf(clock, scenario)
  const idleTimers = clock.pendingTimers
  const remains: DeliverPlay['remains'][number][] = []
  const look = (when: string): void => {
    const listeners = world.signals.reduce((sum, signal) => sum + getEventListeners(signal, 'abort').length, 0)
    remains.push({ when, timers: clock.pendingTimers - idleTimers, listeners })
  }
  const seen = watch(world.feed.source$.pipe(operator(optionsOf(world, scenario), { clock })), world)
  for (const [id, item] of scenario.items.entries()) {
    if (item.afterMs > 0) await clock.advanceBy(item.afterMs)
    if (id === scenario.ends.before) break
    if (item.abortsAfterMs !== undefined) abortLater(world, id, item.abortsAfterMs)
    world.feed.give({ ...item, id })
    seen.note()
  }
  end(scenario, world, seen)
  if (seen.isOver()) {
    for (const timer of world.timers) clock.clearTimeout(timer)
    await clock.settle()
    if (!scenario.guarded) look('just after its end')
  }
  await clock.advanceBy(longMs)
  look('long after')
  const letters = (await world.queue.list({}, { limit: 1_000 })).items.map(({ id }) => id)
  const { given, settled, attempts } = world
  return { given, settled, attempts, letters, remains, ...seen.told, most: { ...world.most } }
}

interface World {
  readonly clock: VirtualClock
  readonly queue: DeadLetters
  readonly feed: Feed
  readonly drain: AbortController
  readonly aborts: Map<number, AbortController>
  /** All whose listeners count. */
  readonly signals: AbortSignal[]
  /** The scenario's own. */
  readonly timers: Timer[]
  readonly breakerOf: ((item: Numbered) => DeliverBreaker) | undefined
  readonly given: number[]
  readonly settled: { id: number; outcome: Outcome<unknown> }[]
  readonly attempts: { id: number; key: string; alongside: readonly string[] }[]
  /** Keys of the attempts that are under way. */
  readonly underWay: Map<object, string>
  readonly most: { inFlight: number; inHand: number; asked: number }
}

async function worldOf(clock: VirtualClock, scenario: DeliverScenario): Promise<World> {
  const instance = scenario.guarded ? await instanceOn(clock, scenario.seed) : undefined
  const drain = new AbortController()
  const shared = { given: new Array<number>(), settled: new Array<World['settled'][number]>() }
  const most = { inFlight: 0, inHand: 0, asked: 0 }
  return {
    ...shared,
    clock,
    queue: queueOver(inMemory, memoryLetters({ clock }), { clock, seed: scenario.seed }),
    feed: scenario.source === 'pushed' ? pushedFeed(shared) : askedFeed(shared, most),
    drain,
    aborts: new Map(),
    signals: [drain.signal],
    timers: [],
    breakerOf: instance && (({ destination }) => watchable(instance.breaker(destination))),
    attempts: [],
    underWay: new Map(),
    most,
  }
}

async function instanceOn(clock: VirtualClock, seed: number): Promise<TestedInstance> {
  const random = seededRandom(seed)
  const options = { failureThreshold: 2, recoveryTimeoutMs: 500, timeoutMs, probe: { leaseMs: 1_000 } }
  const log = memoryLog({ clock, random })
  const [instance] = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options }).instances
  if (instance === undefined) throw new Error('there is no instance')
  await clock.runUntil(instance.replica.whenLinked(1_000))
  return instance
}

/** The breakers of a law have nobody to hear of their state from: `deliver` finds out by itself, when it is time. */
function watchable(breaker: CircuitBreaker): DeliverBreaker {
  const known = guards.get(breaker)
  if (known !== undefined) return known
  const guard: DeliverBreaker = {
    name: breaker.name,
    settings: breaker.settings,
    get passes() {
      return breaker.passes
    },
    state$: NEVER,
    run: (work, options) => breaker.run(work, options),
    refusedForMs: () => breaker.refusedForMs(),
  }
  guards.set(breaker, guard)
  return guard
}

const guards = new WeakMap<CircuitBreaker, DeliverBreaker>()

/** Where a scenario's items come from. */
interface Feed {
  readonly source$: Observable<Numbered>
  /** An item that was not asked for waits until it is. */
  give(item: Numbered): void
  end(error?: Error): void
}

function pushedFeed({ given }: Pick<World, 'given'>): Feed {
  const source$ = new Subject<Numbered>()
  return {
    source$,
    give(item) {
      given.push(item.id)
      source$.next(item)
    },
    end: (error) => (error === undefined ? source$.complete() : source$.error(error)),
  }
}

function askedFeed({ given, settled }: Pick<World, 'given' | 'settled'>, most: World['most']): Feed {
  const stock: Numbered[] = []
  let wanted = 0
  let inHand = 0
  let isClosed = false
  let ending: { readonly error: Error | undefined } | undefined
  let sink: ItemSink<Numbered> | undefined
  const hand = (): void => {
    for (; wanted > 0 && !isClosed; wanted -= 1) {
      const item = stock.shift()
      if (item === undefined) break
      given.push(item.id)
      inHand += 1
      most.asked = Math.max(most.asked, inHand)
      const settle = async (outcome: Outcome<unknown>): Promise<void> => {
        settled.push({ id: item.id, outcome })
        // As long as it takes to write it down.
        await Promise.resolve()
        inHand -= 1
      }
      sink?.item({ item, settle })
    }
    if (ending !== undefined && (stock.length === 0 || isClosed)) sink?.end(ending.error)
  }
  const source$ = fromItemSource<Numbered>({
    open(reader) {
      sink = reader
      const request = (count: number): void => {
        wanted += count
        most.asked = Math.max(most.asked, inHand + wanted)
        queueMicrotask(hand)
      }
      return { request, close: () => void (isClosed = true) }
    },
  })
  return {
    source$,
    give(item) {
      stock.push(item)
      hand()
    },
    end(error) {
      ending = { error }
      hand()
    },
  }
}

function optionsOf(world: World, scenario: DeliverScenario): DeliverOptions<Numbered, number> {
  const { clock, queue, drain, aborts } = world
  const { concurrency, maxWaiting, ordered, whenOpen, limit, maxAgeMs, letters } = scenario
  const broken = { enqueue: () => Promise.reject(new UnavailableError('letters', 'they are away')) }
  const limiter = memoryLimiter({ clock, limits: { email: { limit: 3, windowMs: 1_000 } } })
  return {
    to: (item, call) => deliverOne(world, item, call),
    key: ({ key }) => key,
    retry: { maxAttempts: 3, baseDelayMs: 20, maxDelayMs: 2_000, jitter: 'none' },
    through: world.breakerOf,
    ...{ timeoutMs, concurrency, maxWaiting, ordered, whenOpen, maxAgeMs },
    limit: limit === 'none' ? undefined : { limiter, names: 'email', onLimited: limit },
    deadLetter:
      letters === 'none'
        ? undefined
        : {
            queue: letters === 'sound' ? queue : broken,
            describe: ({ id }) => ({
              organization: 'acme',
              channel: 'law',
              messageId: `m${id}`,
              id: `${id}`,
              payload: id,
            }),
          },
    signalOf: ({ id }) => aborts.get(id)?.signal,
    signal: drain.signal,
    drainMs: 50,
  }
}

async function deliverOne(world: World, item: Numbered, { signal }: Call): Promise<number> {
  const { clock, attempts, underWay, most } = world
  const { id, key, does, tookMs } = item
  const before = attempts.filter((attempt) => attempt.id === id).length
  attempts.push({ id, key, alongside: [...underWay.values()] })
  const me = {}
  underWay.set(me, key)
  most.inFlight = Math.max(most.inFlight, underWay.size)
  const over = (): void => void underWay.delete(me)
  signal.addEventListener('abort', over, { once: true })
  try {
    const now = does[Math.min(before, does.length - 1)]
    if (now === 'throw') throw new TypeError('a mistake')
    if (now === 'hang') await new Promise<never>(() => {})
    if (tookMs > 0) await clock.sleep(tookMs, { signal })
    if (now === 'fail') throw new Error('down')
    if (now === 'failForGood') throw Object.assign(new Error('no such user'), { status: 404 })
    if (now === 'askToWait') throw Object.assign(new Error('later'), { status: 429, retryAfter: 1 })
    return id
  } finally {
    over()
    signal.removeEventListener('abort', over)
  }
}

function abortLater({ clock, aborts, signals, timers }: World, id: number, afterMs: number): void {
  const controller = new AbortController()
  aborts.set(id, controller)
  signals.push(controller.signal)
  if (afterMs === 0) controller.abort()
  else timers.push(clock.setTimeout(() => controller.abort(), afterMs))
}

function end({ ends }: DeliverScenario, { feed, drain }: World, seen: { leave(): void }): void {
  if (ends.by === 'complete') feed.end()
  if (ends.by === 'error') feed.end(new Error('the source broke'))
  if (ends.by === 'drain') drain.abort()
  if (ends.by === 'unsubscribe') seen.leave()
}

function watch(delivered$: Observable<Delivered<Numbered, number>>, { given, most }: World) {
  const told = { outcomes: new Array<DeliverPlay['outcomes'][number]>(), ends: new Array<string>(), late: 0 }
  let left = false
  const isOver = (): boolean => left || told.ends.length > 0
  const subscription = delivered$.subscribe({
    next(outcome) {
      if (isOver()) told.late += 1
      told.outcomes.push({ id: outcome.item.id, outcome })
    },
    error: () => told.ends.push('failed'),
    complete: () => told.ends.push('completed'),
  })
  return {
    told,
    isOver,
    note: () => void (most.inHand = Math.max(most.inHand, given.length - told.outcomes.length)),
    leave(): void {
      left = true
      subscription.unsubscribe()
    },
  }
}
