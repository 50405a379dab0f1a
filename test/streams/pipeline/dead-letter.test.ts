import { firstValueFrom, from, of, range, map, Subject, throwError, concat, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { classify } from '../../../src/kernel/classify.ts'
import type { Letter, LetterDraft } from '../../../src/ports/dead-letters.ts'
import { deadLetter } from '../../../src/streams/pipeline/dead-letter.ts'
import type { Delivered } from '../../../src/streams/pipeline/deliver-options.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { recorded } from './recorded.ts'

type Told = Delivered<number, string>

const delivered = (item: number): Told => ({ status: 'delivered', value: 'ok', attempts: 1, durationMs: 1, item })
const failed = (item: number): Told => ({
  status: 'failed',
  error: classify(Object.assign(new Error('no such mailbox'), { status: 404 })),
  attempts: 3,
  durationMs: 5,
  item,
})
const describeItem = (item: number) => ({
  organization: 'acme',
  channel: 'email',
  messageId: `m-${item}`,
  payload: { item },
})

/** Stores when the test says. */
function slowQueue() {
  const waiting = new Map<string, (error?: Error) => void>()
  return {
    drafts: new Array<LetterDraft>(),
    get size() {
      return waiting.size
    },
    store: (messageId: string, error?: Error) => waiting.get(messageId)?.(error),
    enqueue(draft: LetterDraft): Promise<Letter> {
      this.drafts.push(draft)
      return new Promise((resolve, reject) => {
        waiting.set(draft.messageId, (error) => {
          waiting.delete(draft.messageId)
          if (error === undefined) resolve({ id: `acme.${draft.messageId}` } as Letter)
          else reject(error)
        })
      })
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const items = (events: readonly unknown[]): unknown[] =>
  events.map((event) => (typeof event === 'string' ? event : (event as Told).item))

describe('deadLetter', () => {
  test('writes the failed ones, and passes everything on', async () => {
    const clock = virtualClock({ startAt: 5_000 })
    const queue = memoryDeadLetters({ clock })
    const refused: Told = { status: 'refused', reason: 'rateLimited', item: 3 }
    const outcomes$ = of(delivered(1), failed(2), refused).pipe(deadLetter(queue, describeItem, { clock }))
    const all = await firstValueFrom(outcomes$.pipe(toArray()))
    expect(all).toMatchObject([delivered(1), { status: 'deadLettered', item: 2, attempts: 3, durationMs: 5 }, refused])
    const { items: letters } = await queue.list({})
    expect(letters).toMatchObject([
      {
        id: all[1]?.status === 'deadLettered' && all[1].letterId,
        messageId: 'm-2',
        errorType: 'rejected',
        attempts: [{ at: 5_000, error: 'no such mailbox' }],
      },
    ])
  })

  test('emits an outcome after its letter is stored, and all in their order', async () => {
    const queue = slowQueue()
    const outcomes$ = new Subject<Told>()
    const { events } = recorded(outcomes$.pipe(deadLetter(queue, describeItem)))
    for (const outcome of [delivered(1), failed(2), delivered(3), failed(4), delivered(5)]) outcomes$.next(outcome)
    outcomes$.complete()
    await turn()
    expect(items(events)).toEqual([1])
    queue.store('m-4')
    await turn()
    expect(items(events)).toEqual([1])
    queue.store('m-2')
    await turn()
    expect(items(events)).toEqual([1, 2, 3, 4, 5, 'complete'])
  })

  test('passes an outcome on as it was when its letter cannot be written, and says so', async () => {
    const queue = slowQueue()
    const said: string[] = []
    const note = (_facts: object, message: string): void => void said.push(message)
    const logger = { info: note, warn: note, error: note }
    const outcomes$ = of(failed(1), failed(2)).pipe(
      deadLetter(
        queue,
        (item) => {
          if (item === 2) throw new Error('cannot describe')
          return describeItem(item)
        },
        { logger },
      ),
    )
    const { events } = recorded(outcomes$)
    queue.store('m-1', new Error('full'))
    await turn()
    expect(events).toMatchObject([{ status: 'failed', item: 1 }, { status: 'failed', item: 2 }, 'complete'])
    expect(said).toEqual(['the dead letter could not be written', 'the dead letter could not be written'])
  })

  test('an error of the source comes behind what came before it', async () => {
    const queue = slowQueue()
    const { events } = recorded(
      concat(
        of(failed(1), delivered(2)),
        throwError(() => new Error('broken')),
      ).pipe(deadLetter(queue, describeItem)),
    )
    await turn()
    expect(events).toEqual([])
    queue.store('m-1')
    await turn()
    expect(items(events)).toEqual([1, 2, 'error: broken'])
  })

  test('past its bound the source is left, what came is passed on, and then it is an error', async () => {
    const queue = slowQueue()
    const outcomes$ = new Subject<Told>()
    const { events } = recorded(outcomes$.pipe(deadLetter(queue, describeItem, { maxWaiting: 2 })))
    outcomes$.next(failed(1))
    outcomes$.next(failed(2))
    expect(outcomes$.observed).toBe(true)
    outcomes$.next(delivered(3))
    expect(outcomes$.observed).toBe(false)
    expect(events).toEqual([])
    queue.store('m-2')
    queue.store('m-1')
    await turn()
    expect(items(events)).toEqual([1, 2, 3, 'error: deadLetter: maxWaiting is 2, and it is reached'])
  })

  test('keeps 10,000 waiting where nothing else is said', () => {
    const outcomes$ = new Subject<Told>()
    recorded(outcomes$.pipe(deadLetter(slowQueue(), describeItem)))
    for (let item = 0; item < 10_000; item += 1) outcomes$.next(failed(item))
    expect(outcomes$.observed).toBe(true)
    outcomes$.next(failed(10_000))
    expect(outcomes$.observed).toBe(false)
  })

  test('an endless source that emits as it is subscribed to is left at the bound', async () => {
    const endless$ = range(0, Number.POSITIVE_INFINITY).pipe(map(failed))
    const { events } = recorded(endless$.pipe(deadLetter(memoryDeadLetters(), describeItem, { maxWaiting: 10 })))
    await turn()
    expect(items(events)).toEqual([...Array.from({ length: 11 }).keys(), expect.stringMatching(/^error: deadLetter/)])
  })

  test('emits nothing after it was left, also within an emission', async () => {
    const queue = slowQueue()
    const left = recorded(from([failed(1), delivered(2)]).pipe(deadLetter(queue, describeItem)))
    left.subscription.unsubscribe()
    const seen: number[] = []
    const subscription = from([failed(3), delivered(4)])
      .pipe(deadLetter(queue, describeItem))
      .subscribe(({ item }) => {
        seen.push(item)
        subscription.unsubscribe()
      })
    queue.store('m-1')
    queue.store('m-3')
    await turn()
    expect(left.events).toEqual([])
    expect(seen).toEqual([3])
  })

  test('a source that emits within an emission keeps its order', async () => {
    const queue = slowQueue()
    const outcomes$ = new Subject<Told>()
    const seen: unknown[] = []
    outcomes$.pipe(deadLetter(queue, describeItem)).subscribe(({ item }) => {
      seen.push(item)
      if (item === 1) outcomes$.next(delivered(4))
      if (item === 4) outcomes$.next(delivered(5))
    })
    outcomes$.next(failed(1))
    outcomes$.next(failed(2))
    outcomes$.next(delivered(3))
    queue.store('m-2')
    queue.store('m-1')
    await turn()
    expect(seen).toEqual([1, 2, 3, 4, 5])
  })

  test('refuses what cannot be meant', () => {
    expect(() => deadLetter({} as never, describeItem)).toThrow('queue: expected a queue of dead letters')
    expect(() => deadLetter(slowQueue(), null as never)).toThrow('describe: expected a function (given: null)')
    expect(() => deadLetter(slowQueue(), describeItem, { maxWaiting: 0 })).toThrow(/^deadLetter\.maxWaiting/)
  })
})
