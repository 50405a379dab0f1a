import { describe, expect, test } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
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
