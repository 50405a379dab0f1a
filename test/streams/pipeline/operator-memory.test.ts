import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defer, type OperatorFunction, Subject } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { classify } from '../../../src/kernel/classify.ts'
import type { Letter } from '../../../src/ports/dead-letters.ts'
import { deadLetter } from '../../../src/streams/pipeline/dead-letter.ts'
import type { Delivered } from '../../../src/streams/pipeline/deliver-options.ts'
import { rateLimit } from '../../../src/streams/pipeline/rate-limit.ts'
import { retryWithJitter } from '../../../src/streams/pipeline/retry-with-jitter.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { sized } from '../../sized.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapUsed(): number {
  for (let pass = 0; pass < 3; pass++) collect()
  return process.memoryUsage().heapUsed
}

const itemsMax = sized(50_000, 1_000_000)
/** Emitted at once, within every bound. */
const burst = 200
/** What a heap differs by from one look to the next, whatever is done in between; items that were kept would be several times as much. */
const noiseBytes = 1_000_000

describe('memory does not grow with items', () => {
  test('that are limited, wait and are refused', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits: { email: { limit: 50, windowMs: 1_000 } }, clock })
    let refused = 0
    const onRefused = (): unknown => (refused += 1)
    const key = ({ at }: Item): string => `organization-${at % 7 < 4 ? 0 : at % 20}`
    const passed = await flow(
      'rateLimit',
      rateLimit<Item>({ limiter, names: 'email', key, onRefused, clock }),
      itemOf,
      async () => {
        await clock.advanceBy(500)
      },
    )
    expect(passed + refused).toBe(itemsMax)
    expect(Math.min(passed, refused)).toBeGreaterThan(itemsMax / 10)
    expect(clock.pendingTimers).toBe(0)
  })

  test('whose letters are written', async () => {
    let letters = 0
    const queue = {
      async enqueue(): Promise<Letter> {
        letters += 1
        await Promise.resolve()
        return { id: `acme.${letters}` } as Letter
      },
    }
    const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: {} }
    const passed = await flow(
      'deadLetter',
      deadLetter<Item, string>(queue, () => draft),
      outcomeOf,
    )
    expect(passed).toBe(itemsMax)
    expect(letters).toBe(Math.ceil(itemsMax / 3))
  })

  test('of a source that is subscribed to again and again', async () => {
    const clock = virtualClock()
    const operator = retryWithJitter<Item>({
      clock,
      maxAttempts: itemsMax,
      baseDelayMs: 1,
      jitter: 'none',
      multiplier: 1,
    })
    let emitted = 0
    const breakOff = async (items$: Subject<Item>): Promise<void> => {
      emitted += burst
      if (emitted % (20 * burst) === 0) items$.error(new Error('down'))
      await clock.advanceBy(2)
    }
    expect(await flow('retryWithJitter', operator, itemOf, breakOff)).toBe(itemsMax)
  })
})

interface Item {
  readonly at: number
  /** So that an item which is kept can be seen. */
  readonly body: string
}

const itemOf = (at: number): Item => ({
  at,
  body: `body of item ${at}, which is not so short that it would not be noticed`,
})

function outcomeOf(at: number): Delivered<Item, string> {
  const item = itemOf(at)
  if (at % 3 > 0) return { status: 'delivered', value: 'ok', attempts: 1, durationMs: 1, item }
  return { status: 'failed', error: classify(new Error('down')), attempts: 1, durationMs: 1, item }
}

/** Sends so many through the operator, burst by burst; how many came out. Fails when the heap grows between a tenth of them and all. */
async function flow<T>(
  what: string,
  operator: OperatorFunction<T, T>,
  make: (at: number) => T,
  between: (items$: Subject<T>) => Promise<unknown> = () => Promise.resolve(),
): Promise<number> {
  let items$ = new Subject<T>()
  let passed = 0
  let isOver = false
  const current$ = defer(() => (items$ = new Subject<T>()))
  current$.pipe(operator).subscribe({ next: () => void (passed += 1), complete: () => void (isOver = true) })
  let before = 0
  for (let at = 0; at < itemsMax;) {
    for (const end = at + burst; at < end; at += 1) items$.next(make(at))
    await between(items$)
    await new Promise((resolve) => setImmediate(resolve))
    if (at === itemsMax / 10) before = heapUsed()
  }
  const grown = heapUsed() - before
  process.stdout.write(
    `${what}, ${itemsMax} items: the heap has ${Math.round(grown / 1_000)} KB more than after a tenth of them\n`,
  )
  expect(grown).toBeLessThan(noiseBytes)
  items$.complete()
  for (let turns = 0; !isOver && turns < 1_000; turns += 1) {
    await between(new Subject<T>())
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(isOver).toBe(true)
  return passed
}
