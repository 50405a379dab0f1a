import { of, Subject } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { deliver, type DeliverOptions } from '../../../src/streams/pipeline/deliver.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { askedToWait, down, line, parcel, type Parcel, shelf, watched, wordFor } from './deliver-rig.ts'

/** One place, one to wait in; `acme` is over its limit, so that its items wait and hold no place. */
function full(clock = virtualClock()) {
  const limiter = memoryLimiter({ clock, limits: { email: { limit: 1, windowMs: 60_000 } } })
  const sent: number[] = []
  const options: DeliverOptions<Parcel, unknown> = {
    to: ({ id }) => void sent.push(id),
    concurrency: 1,
    maxWaiting: 2,
    key: ({ organization }) => organization,
    limit: { limiter, names: ({ organization }) => (organization === 'acme' ? ['email'] : undefined) },
  }
  return { clock, sent, options }
}

describe('a subscriber that ends everything in the middle of something', () => {
  test('unsubscribes when one gives up its place for another: that is not sent, and no timer is left', async () => {
    const { clock, sent, options } = full()
    const source = new Subject<Parcel>()
    const said: string[] = []
    const subscription = source.pipe(deliver({ ...options, maxAgeMs: 30_000 }, { clock })).subscribe((outcome) => {
      said.push(`${outcome.item.id}:${wordFor(outcome)}`)
      if (wordFor(outcome) === 'overCapacity') subscription.unsubscribe()
    })
    for (const id of [1, 2, 3, 4]) {
      source.next(parcel(id))
      await clock.settle()
    }
    source.next(parcel(5, 'globex'))
    await clock.settle()
    expect(said).toEqual(['1:delivered', '4:overCapacity'])
    expect(sent).toEqual([1])
    expect(clock.pendingTimers).toBe(0)
  })

  test('drains when one gives up its place for another: that goes back with the rest, and it completes', async () => {
    const { clock, sent, options } = full()
    const source = new Subject<Parcel>()
    const drain = new AbortController()
    const said: string[] = []
    const ends: string[] = []
    source.pipe(deliver({ ...options, signal: drain.signal }, { clock })).subscribe({
      next: (outcome) => {
        said.push(`${outcome.item.id}:${wordFor(outcome)}`)
        if (wordFor(outcome) === 'overCapacity') drain.abort()
      },
      complete: () => ends.push('complete'),
    })
    for (const id of [1, 2, 3, 4]) {
      source.next(parcel(id))
      await clock.settle()
    }
    source.next(parcel(5, 'globex'))
    await clock.settle()
    expect(said).toEqual(['1:delivered', '4:overCapacity', '2:closing', '3:closing', '5:closing'])
    expect(sent).toEqual([1])
    expect(ends).toEqual(['complete'])
  })

  test.each(['drains', 'unsubscribes'])('a hook of an item that %s has its item handed back', async (what) => {
    const clock = virtualClock()
    const drain = new AbortController()
    const sent: number[] = []
    const { source$, give, settled } = shelf()
    const { ends, unsubscribe } = watched(
      source$.pipe(
        deliver(
          {
            to: ({ id }) => void sent.push(id),
            key: ({ organization }) => {
              if (what === 'drains') drain.abort()
              else unsubscribe()
              return organization
            },
            signal: drain.signal,
            maxAgeMs: 1_000,
          },
          { clock },
        ),
      ),
    )
    give(1)
    await clock.settle()
    expect(sent).toEqual([])
    expect(settled.map(({ outcome }) => wordFor(outcome))).toEqual(['closing'])
    expect(ends).toEqual(what === 'drains' ? ['complete'] : [])
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('parts of the caller that throw', () => {
  test('a budget that throws ends its item, and not the process', async () => {
    const clock = virtualClock()
    const tryRetry = () => {
      throw new Error('no budget')
    }
    const budget = { recordCall: () => {}, tryRetry, counts: () => ({ calls: 0, retries: 0, refused: 0 }) }
    const { push, said } = line({ to: down, retry: { budget } }, clock)
    push(1)
    await clock.settle()
    expect(said()).toEqual(['1:failed'])
  })

  test('holds that throw are none', async () => {
    const fail = () => {
      throw new Error('the store is away')
    }
    let sent = 0
    const to = () => {
      sent += 1
      if (sent === 1) throw askedToWait(1)
    }
    const { push, said, clock } = line({ to, holds: { hold: fail, leftMs: fail } })
    push(1, 2)
    await clock.advanceBy(60_000)
    expect(said().toSorted()).toEqual(['1:delivered', '2:delivered'])
  })
})

describe('a source that is asked, while its only destination is shut', () => {
  test('is asked for nothing when all that was taken has gone back, until it is time', async () => {
    const { source$, give, wanted } = shelf()
    const clock = virtualClock()
    const { said } = watched(
      source$.pipe(
        deliver(
          { to: () => Promise.reject(askedToWait(30)), concurrency: 1, maxWaiting: 1, waitInHandMs: 0 },
          { clock },
        ),
      ),
    )
    expect(wanted()).toBe(2)
    give(1, 2)
    await clock.settle()
    expect(said()).toEqual(['1:breakerOpen', '2:breakerOpen'])
    expect(wanted()).toBe(0)
    await clock.advanceBy(29_000)
    expect(wanted()).toBe(0)
    await clock.advanceBy(2_000)
    expect(wanted()).toBe(2)
  })
})

test('an attempt that a late timer would begin after the deadline is not made', async () => {
  const clock = virtualClock()
  const late: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, options) => clock.sleep(ms, options),
    setTimeout: (run, ms, options) => clock.setTimeout(run, ms === 100 ? 5_000 : ms, options),
    clearTimeout: (timer) => clock.clearTimeout(timer),
  }
  let attempts = 0
  const to = () => {
    attempts += 1
    return down()
  }
  const retry = { baseDelayMs: 100, jitter: 'none', deadlineMs: 1_000 } as const
  const { outcomes, ends } = watched(of(parcel(1)).pipe(deliver({ to, retry }, { clock: late })))
  await clock.advanceBy(10_000)
  expect(attempts).toBe(1)
  expect(outcomes).toMatchObject([{ status: 'failed', attempts: 1, error: { message: 'down', gaveUp: 'deadline' } }])
  expect(ends).toEqual(['complete'])
})
