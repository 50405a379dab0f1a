import { describe, expect, test } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { deliver, type DeliverOptions } from '../../../src/streams/pipeline/deliver.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { askedToWait, down, gearOn, line, parcel, shelf, watched } from './deliver-rig.ts'

describe('deliver', () => {
  test('gives one outcome for each item, with its value, its attempts and how long it took', async () => {
    const clock = virtualClock()
    const { outcomes, push, source, ends } = line({ to: ({ id }) => clock.sleep(10 * id).then(() => id * 2) }, clock)
    push(1, 2)
    source.complete()
    await clock.advanceBy(20)
    expect(outcomes).toEqual([
      { item: parcel(1), status: 'delivered', value: 2, attempts: 1, durationMs: 10 },
      { item: parcel(2), status: 'delivered', value: 4, attempts: 1, durationMs: 20 },
    ])
    expect(ends).toEqual(['complete'])
  })

  test('tries again as the policy says, and says how often', async () => {
    const clock = virtualClock()
    const { outcomes, push } = line(
      {
        to: ({ id }, { signal }) => (clock.monotonic() < 150 ? down() : Promise.resolve(signal.aborted ? 0 : id)),
        retry: { baseDelayMs: 100, jitter: 'none', maxAttempts: 3 },
      },
      clock,
    )
    push(1)
    await clock.advanceBy(300)
    expect(outcomes).toMatchObject([{ status: 'delivered', value: 1, attempts: 3, durationMs: 300 }])
  })

  test('writes the letter of what failed for good before it tells', async () => {
    const clock = virtualClock()
    const queue = memoryDeadLetters({ clock })
    const { outcomes, push } = line(
      {
        to: down,
        retry: { maxAttempts: 2, baseDelayMs: 100, jitter: 'none' },
        deadLetter: {
          queue,
          describe: ({ id, organization }) => ({ organization, channel: 'email', messageId: `m${id}`, payload: id }),
        },
      },
      clock,
    )
    push(1)
    await clock.advanceBy(100)
    expect(outcomes).toMatchObject([{ status: 'deadLettered', error: { message: 'down', gaveUp: 'attempts' } }])
    const { items } = await queue.list()
    expect(items).toMatchObject([{ messageId: 'm1', payload: 1, attempts: [{ at: 0 }, { at: 100 }] }])
  })

  test('waits while the breaker is open, sends one to try, and the others when it is closed', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp', {
      failureThreshold: 2,
      recoveryTimeoutMs: 1_000,
      recoveryBackoff: { jitter: 'none' },
    })
    const reached: number[] = []
    let isDown = true
    const { said, push } = line(
      {
        through: smtp,
        to: ({ id }) => {
          reached.push(id)
          return isDown ? down() : Promise.resolve(id)
        },
        retry: { maxAttempts: 4, baseDelayMs: 100, jitter: 'none' },
      },
      clock,
    )
    push(1, 2)
    await clock.advanceBy(10)
    push(3, 4, 5)
    await clock.advanceBy(900)
    expect(reached).toEqual([1, 2])
    isDown = false
    // A trip, a claim and its end each wait up to 50 ms for others to be faster.
    await clock.advanceBy(400)
    expect(said().toSorted()).toEqual([1, 2, 3, 4, 5].map((id) => `${id}:delivered`))
    expect(reached).toHaveLength(7)
  })

  test('leaves the whole destination alone that answers with Retry-After', async () => {
    const clock = virtualClock()
    const at: number[] = []
    const { said, push } = line(
      {
        to: () => {
          at.push(clock.monotonic())
          return at.length === 1 ? Promise.reject(askedToWait(5)) : Promise.resolve()
        },
      },
      clock,
    )
    push(1)
    await clock.settle()
    push(2, 3)
    await clock.advanceBy(6_000)
    expect(at).toEqual([0, 5_000, 5_000, 5_000])
    expect(said()).toEqual(['1:delivered', '2:delivered', '3:delivered'])
  })
})

describe('deliver, directly behind a source that is asked,', () => {
  test('takes as much as it has room for, and settles each after it was emitted', async () => {
    const clock = virtualClock()
    const { source$, give, wanted, settled, end } = shelf()
    const { said, ends } = watched(
      source$.pipe(
        deliver({ to: ({ id }) => clock.sleep(id).then(() => id), concurrency: 2, maxWaiting: 1 }, { clock }),
      ),
    )
    expect(wanted()).toBe(3)
    give(1, 2, 3)
    expect(wanted()).toBe(0)
    await clock.advanceBy(1)
    expect(wanted()).toBe(1)
    expect(settled).toMatchObject([{ id: 1, outcome: { status: 'delivered', value: 1 } }])
    end()
    await clock.advanceBy(10)
    expect(said()).toEqual(['1:delivered', '2:delivered', '3:delivered'])
    expect(ends).toEqual(['complete'])
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('places', () => {
  test('are shared fairly among keys, first come, first served within a key', async () => {
    const clock = virtualClock()
    const begun: string[] = []
    const { push } = line(
      {
        to: async ({ id, organization }) => {
          begun.push(`${organization} ${id}`)
          await clock.sleep(10)
        },
        key: ({ organization }) => organization,
        concurrency: 1,
      },
      clock,
    )
    push(...[1, 2, 3, 4].map((id) => parcel(id, 'flood')), parcel(5, 'calm'), parcel(6, 'quiet'), parcel(7, 'calm'))
    await clock.advanceBy(100)
    expect(begun).toEqual(['flood 1', 'flood 2', 'calm 5', 'quiet 6', 'flood 3', 'calm 7', 'flood 4'])
  })

  test('to wait in are given up by the key that has the most of them', async () => {
    const clock = virtualClock()
    const { push, said, source } = line(
      { to: () => clock.sleep(10), key: ({ organization }) => organization, concurrency: 1, maxWaiting: 3 },
      clock,
    )
    push(...[1, 2, 3, 4, 5].map((id) => parcel(id, 'flood')))
    expect(said()).toEqual(['5:overCapacity'])
    push(parcel(6, 'calm'), parcel(7, 'calm'))
    expect(said()).toEqual(['5:overCapacity', '4:overCapacity', '7:overCapacity'])
    source.complete()
    await clock.advanceBy(100)
    expect(said().slice(3)).toEqual(['1:delivered', '2:delivered', '6:delivered', '3:delivered'])
  })

  test('are held by a wait between two attempts', async () => {
    const clock = virtualClock()
    const begun: number[] = []
    const { push, unsubscribe } = line(
      {
        to: ({ id }) => {
          begun.push(id)
          return down()
        },
        concurrency: 1,
        retry: { baseDelayMs: 1_000, jitter: 'none' },
      },
      clock,
    )
    push(1, 2)
    await clock.advanceBy(999)
    expect(begun).toEqual([1])
    unsubscribe()
  })

  test('are not given back before the source has settled', async () => {
    const clock = virtualClock()
    const begun: number[] = []
    const { source$, give } = shelf(() => clock.sleep(50))
    const { said } = watched(source$.pipe(deliver({ to: ({ id }) => begun.push(id), concurrency: 1 }, { clock })))
    give(1, 2)
    await clock.advanceBy(49)
    expect(said()).toEqual(['1:delivered'])
    expect(begun).toEqual([1])
    await clock.advanceBy(1)
    expect(begun).toEqual([1, 2])
  })
})

test('ordered, the items of a key go one after the other, whatever becomes of each, and keys side by side', async () => {
  const clock = virtualClock()
  const begun: string[] = []
  const { push, said } = line(
    {
      to: async ({ id, organization }) => {
        begun.push(`${organization} ${id} at ${clock.monotonic()}`)
        await clock.sleep(10)
        if (id === 1 && begun.length < 3) throw new Error('down')
      },
      key: ({ organization }) => organization,
      ordered: true,
      retry: { baseDelayMs: 100, jitter: 'none' },
    },
    clock,
  )
  push(parcel(1), parcel(2), parcel(3), parcel(4, 'globex'))
  await clock.advanceBy(500)
  expect(begun).toEqual(['acme 1 at 0', 'globex 4 at 0', 'acme 1 at 110', 'acme 2 at 120', 'acme 3 at 130'])
  expect(said()).toEqual(['4:delivered', '1:delivered', '2:delivered', '3:delivered'])
})

test.each([
  ['deliver.to', {}],
  ['deliver.concurrency', { to: down, concurrency: 0 }],
  ['deliver.maxWaiting', { to: down, maxWaiting: -1 }],
  ['deliver.through', { to: down, through: {} }],
  ['deliver.retry.maxAttempts', { to: down, retry: { maxAttempts: 0 } }],
  ['deliver.limit.limiter', { to: down, limit: { limiter: {}, names: 'email' } }],
  ['deliver.limit.key', { to: down, limit: { limiter: memoryLimiter(), names: 'email' } }],
  ['deliver.whenOpen', { to: down, whenOpen: 'deadLetter' }],
  ['deliver.deadLetter.describe', { to: down, deadLetter: { queue: memoryDeadLetters() } }],
  ['deliver.drainMs', { to: down, drainMs: Infinity }],
  ['deliver.paralel', { to: down, paralel: 1 }],
])('says where an option cannot be meant: %s', (path, options) => {
  expect(() => deliver(options as DeliverOptions<unknown, unknown>)).toThrow(expect.objectContaining({ path }))
})
