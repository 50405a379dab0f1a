import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { lastValueFrom, reduce, Subject } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import type { ItemSink } from '../../../src/ports/item-source.ts'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { fromItemSource } from '../../../src/streams/pipeline/source-observable.ts'
import { retryBudget } from '../../../src/streams/retry/retry-budget.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { sized } from '../../sized.ts'
import { down, gearOn, line, type Parcel, parcel, wordFor } from './deliver-rig.ts'

const print = (what: string, figures: object): void => {
  process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`)
}

type Manner = (typeof manners)[number][0]
const manners = [
  ['succeed', 0.78],
  ['transient', 0.08],
  ['permanent', 0.03],
  ['hang', 0.01],
  ['throw', 0.02],
  ['abort', 0.03],
  ['limited', 0.02],
  ['breakerOpen', 0.03],
] as const

interface Load extends Parcel {
  readonly does: Manner
  readonly tookMs: number
}

/** Items of a few seconds, of three organizations, of which one may flood. */
function loadOf(items: number, flooding: boolean): readonly (readonly Load[])[] {
  const random = seededRandom(3)
  const perTick = 100
  const ticks: Load[][] = []
  for (let id = 0; id < items; id += 1) {
    const place = id % perTick
    if (place === 0) ticks.push([])
    const organization = place < 5 ? 'calm' : place < 10 ? 'quiet' : 'flood'
    const does = mannerOf(random.next())
    const tookMs = 1 + Math.floor(random.next() * 20)
    if (flooding || organization !== 'flood') ticks.at(-1)?.push({ id, organization, does, tookMs })
  }
  return ticks
}

function mannerOf(chance: number): Manner {
  let left = chance
  for (const [manner, share] of manners) if ((left -= share) < 0) return manner
  return 'succeed'
}

async function playLoad(items: number, flooding: boolean) {
  const clock = virtualClock()
  const gear = await gearOn(clock, {
    breakers: {
      default: { failureThreshold: false, timeoutMs: 200 },
      flappy: { recoveryTimeoutMs: 500, failureThreshold: 3 },
    },
  })
  const limits = { tight: { limit: 5, windowMs: 1_000 }, roomy: { limit: 1_000_000, windowMs: 1_000 } }
  const queue = memoryDeadLetters({ clock, lettersMax: 1_000_000 })
  const [concurrency, maxWaiting] = [32, 1_000]
  const most = { inFlight: 0, inHand: 0 }
  const outcomes = new Map<number, number>()
  const words: Record<string, number> = {}
  const waits: Record<string, number[]> = { calm: [], quiet: [], flood: [] }
  const startedAt = new Map<number, number>()
  const begun = new Map<number, number>()
  const aborts = new Map<number, AbortController>()
  let inFlight = 0
  const work = async (item: Load, signal: AbortSignal): Promise<number> => {
    const attempt = (begun.get(item.id) ?? 0) + 1
    begun.set(item.id, attempt)
    if (attempt === 1) waits[item.organization]?.push(clock.monotonic() - (startedAt.get(item.id) ?? 0))
    most.inFlight = Math.max(most.inFlight, (inFlight += 1))
    let isOver = false
    const over = (): void => {
      if (!isOver) inFlight -= 1
      isOver = true
    }
    signal.addEventListener('abort', over, { once: true })
    try {
      if (item.does === 'throw') throw new TypeError('a mistake')
      if (item.does === 'hang') await new Promise<never>(() => {})
      await clock.sleep(item.tookMs, { signal })
      if (item.does === 'permanent') throw Object.assign(new Error('no such user'), { status: 404 })
      if (item.does === 'transient' && attempt === 1) throw new Error('down')
      if (item.does === 'breakerOpen') throw new Error('down')
      return item.id
    } finally {
      over()
    }
  }
  const source = new Subject<Load>()
  let given = 0
  const done = lastValueFrom(
    source.pipe(
      deliver(
        {
          to: (item, call) => work(item, call.signal),
          through: ({ does, organization }) => gear.breaker(does === 'breakerOpen' ? 'flappy' : organization),
          key: ({ organization }) => organization,
          retry: { maxAttempts: 3, baseDelayMs: 50, maxDelayMs: 200 },
          limit: {
            limiter: memoryLimiter({ clock, limits }),
            names: ({ does }) => (does === 'limited' ? 'tight' : 'roomy'),
            onLimited: 'refuse',
          },
          signalOf: ({ id }) => aborts.get(id)?.signal,
          whenOpen: 'refuse',
          deadLetter: {
            queue,
            describe: ({ id, organization }) => ({ organization, channel: 'mail', messageId: `m${id}`, payload: id }),
          },
          concurrency,
          maxWaiting,
        },
        { clock, random: seededRandom(4) },
      ),
      reduce((count, outcome) => {
        outcomes.set(outcome.item.id, (outcomes.get(outcome.item.id) ?? 0) + 1)
        const word = `${outcome.item.organization === 'flood' ? 'flood' : 'others'} ${wordFor(outcome)}`
        words[word] = (words[word] ?? 0) + 1
        return count + 1
      }, 0),
    ),
  )
  for (const tick of loadOf(items, flooding)) {
    for (const item of tick) {
      startedAt.set(item.id, clock.monotonic())
      if (item.does === 'abort') abortSoon(item)
      given += 1
      source.next(item)
      most.inHand = Math.max(most.inHand, given - outcomes.size)
    }
    await clock.advanceBy(20)
  }
  source.complete()
  const told = await clock.runUntil(done)
  await gear.close({ deadlineMs: 0 })
  const others = [...(waits['calm'] ?? []), ...(waits['quiet'] ?? [])].toSorted((a, b) => a - b)
  const at = (share: number): number => others[Math.floor(others.length * share)] ?? NaN
  const meanMs = others.reduce((sum, ms) => sum + ms, 0) / others.length
  return {
    given,
    told,
    outcomes,
    words,
    most,
    concurrency,
    maxWaiting,
    waitMs: { mean: meanMs, p99: at(0.99), max: at(0.9999) },
  }

  function abortSoon({ id, tookMs }: Load): void {
    const controller = new AbortController()
    aborts.set(id, controller)
    clock.setTimeout(() => controller.abort(), tookMs / 2)
  }
}

describe('deliver, at length,', () => {
  test('gives each of many items of any kind exactly one outcome, within its bounds, and one that floods delays nobody else', async () => {
    const items = sized(6_000, 100_000)
    const calm = await playLoad(items, false)
    const flooded = await playLoad(items, true)
    print('100,000 items', {
      ...{ given: flooded.given, ids: flooded.outcomes.size, told: flooded.told, ...flooded.most },
      outcomes: flooded.words,
      othersWaitMs: { flooded: flooded.waitMs, alone: calm.waitMs },
    })
    expect(flooded.told).toBe(items)
    expect(flooded.outcomes.size).toBe(items)
    expect(Math.max(...flooded.outcomes.values())).toBe(1)
    expect(flooded.most.inFlight).toBe(flooded.concurrency)
    expect(flooded.most.inHand).toBeLessThanOrEqual(flooded.concurrency + flooded.maxWaiting)
    for (const kind of ['delivered', 'deadLettered', 'aborted', 'rateLimited', 'breakerOpen'])
      expect(flooded.words[`others ${kind}`], kind).toBeGreaterThan(0)
    expect(flooded.words['flood overCapacity']).toBeGreaterThan(0)
    // Nothing of the others is turned away for it, and what they wait is for a place, which one of the 32 calls leaves: on
    // average less than a call takes (10.5 ms), and once in a hundred times less than two of the longest (20 ms).
    expect(flooded.words['others overCapacity']).toBeUndefined()
    expect(flooded.waitMs.mean).toBeLessThanOrEqual(calm.waitMs.mean + 10.5)
    expect(flooded.waitMs.p99).toBeLessThanOrEqual(calm.waitMs.p99 + 40)
  }, 300_000)

  test('keeps its memory, whatever goes through it', async () => {
    const items = sized(60_000, 1_000_000)
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heap: number[] = []
    let sink: ItemSink<Parcel> | undefined
    let next = 0
    const source$ = fromItemSource<Parcel>({
      open(reader) {
        sink = reader
        const request = (count: number): void => queueMicrotask(() => give(count))
        return { request, close: () => {} }
      },
    })
    const give = (count: number): void => {
      for (let n = 0; n < count && next < items; n += 1) {
        // A key of its own for each.
        sink?.item({ item: parcel(next, `organization ${next}`), settle: () => {} })
        next += 1
        if (next % (items / 10) === 0) {
          collect()
          heap.push(process.memoryUsage().heapUsed)
        }
      }
      if (next === items) sink?.end()
    }
    const gear = await gearOn(virtualClock())
    const told = await lastValueFrom(
      source$.pipe(
        deliver({
          to: ({ id }) => (id % 10 === 0 ? Promise.reject(Object.assign(new Error('no'), { status: 404 })) : id),
          through: gear.breaker('smtp', { failureThreshold: false }),
          key: ({ organization }) => organization,
          concurrency: 8,
          maxWaiting: 100,
        }),
        reduce((count) => count + 1, 0),
      ),
    )
    await gear.close({ deadlineMs: 0 })
    const [first = 0, last = 0] = [heap[1], heap.at(-1)]
    print('memory', { items: told, heapMB: heap.map((bytes) => +(bytes / 2 ** 20).toFixed(2)) })
    expect(told).toBe(items)
    expect(last - first).toBeLessThan(2 * 2 ** 20)
  }, 300_000)

  test('sends a dead dependency no more than its breaker lets through, loses nothing by waiting, and comes back at the rate of the limit', async () => {
    const perSecond = sized(20, 200)
    const limit = perSecond * 1.5
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const limiter = memoryLimiter({ clock, limits: { email: { limit, windowMs: 1_000 } } })
    const queue = memoryDeadLetters({ clock })
    const [diesAt, livesAt] = [10_000, 70_000]
    const reached: number[] = []
    const first = new Map<number, number>()
    let probes = 0
    const { outcomes, push, source, ends } = line(
      {
        through: gear.breaker('smtp'),
        to: ({ id }, { probe }) => {
          reached.push(clock.monotonic())
          if (!first.has(id)) first.set(id, clock.monotonic())
          if (probe !== undefined) probes += 1
          const now = clock.monotonic()
          return now >= diesAt && now < livesAt ? down() : Promise.resolve(id)
        },
        limit: { limiter, names: 'email', key: () => 'acme', onLimited: 'wait' },
        maxWaiting: 100_000,
        deadLetter: {
          queue,
          describe: ({ id }) => ({ organization: 'acme', channel: 'mail', messageId: `m${id}`, payload: id }),
        },
      },
      clock,
    )
    const seconds = 200
    for (let id = 0; id < seconds * perSecond; id += 1) {
      push(id)
      await clock.advanceBy(1_000 / perSecond)
    }
    source.complete()
    for (let minutes = 0; minutes < 30 && ends.length === 0; minutes += 1) await clock.advanceBy(60_000)
    const whileDead = reached.filter((at) => at >= diesAt && at < livesAt).length
    const perWindow = mostWithin(1_000, [...first.values()])
    const lastAt = reached.at(-1) ?? 0
    print('dead for 60 s', {
      ...{ items: outcomes.length, perSecond, limitPerSecond: limit, reachedWhileDead: whileDead, probes },
      ...{
        mostInOneSecond: perWindow,
        withRetries: mostWithin(1_000, reached),
        letters: (await queue.stats()).total,
        doneAfterS: Math.round(lastAt / 1_000),
      },
    })
    expect(ends).toEqual(['complete'])
    expect(outcomes.filter(({ status }) => status === 'delivered')).toHaveLength(seconds * perSecond)
    expect(whileDead).toBeLessThanOrEqual(5 + probes)
    expect((await queue.stats()).total).toBe(0)
    // The limit is asked before the first attempt of an item; the five that opened the breaker have had theirs.
    expect(perWindow).toBeLessThanOrEqual(limit)
    expect(mostWithin(1_000, reached)).toBeLessThanOrEqual(limit + 5)
    await gear.close({ deadlineMs: 0 })
    expect(clock.pendingTimers).toBe(0)
  }, 300_000)

  test('does not amplify the trouble of a dependency: two pipelines share a budget of retries, which says what it holds', async () => {
    const seconds = sized(20, 120)
    const storm = async (isBudgeted: boolean) => {
      const clock = virtualClock()
      const budget = retryBudget({}, { clock })
      let calls = 0
      const to = (): Promise<never> => {
        calls += 1
        return down()
      }
      const retry = { maxAttempts: 3, baseDelayMs: 100, ...(isBudgeted && { budget }) }
      const lines = [line({ to, retry }, clock), line({ to, retry }, clock)]
      for (let id = 0; id < seconds * 100; id += 1) {
        for (const { push } of lines) push(id)
        await clock.advanceBy(10)
      }
      await clock.advanceBy(0)
      const held = budget.counts()
      await clock.advanceBy(5_000)
      const told = lines.reduce((sum, { outcomes }) => sum + outcomes.length, 0)
      return { told, calls, load: calls / (seconds * 200), held }
    }
    const [budgeted, unbounded] = [await storm(true), await storm(false)]
    print('retry storm', { offered: seconds * 200, budgeted, without: unbounded.load })
    expect(budgeted.told).toBe(seconds * 200)
    expect(budgeted.load).toBeLessThan(1.3)
    expect(unbounded.load).toBeGreaterThan(2.9)
    expect(budgeted.held.calls).toBeGreaterThan(1_800)
    expect(budgeted.held.retries).toBeLessThanOrEqual(0.2 * budgeted.held.calls + 100)
    expect(budgeted.held.refused).toBeGreaterThan(0)
  }, 300_000)
})

/** The most instants in any span of so many ms, its end excluded. */
function mostWithin(spanMs: number, instants: readonly number[]): number {
  let most = 0
  let first = 0
  for (const [index, at] of instants.entries()) {
    while (at - (instants[first] ?? at) >= spanMs) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}
