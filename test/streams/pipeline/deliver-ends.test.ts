import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { concat, of, take, throwError } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { ClosedError, OverCapacityError } from '../../../src/kernel/errors.ts'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { down, gearOn, line, parcel, type Parcel, shelf, watched } from './deliver-rig.ts'

const never = () => new Promise<never>(() => {})

describe('draining', () => {
  test('hands back at once what waits, gives what is being sent its time, and completes', async () => {
    const clock = virtualClock()
    const drain = new AbortController()
    const signals: AbortSignal[] = []
    const { source$, give, settled, closed } = shelf()
    const { said, ends } = watched(
      source$.pipe(
        deliver(
          {
            to: ({ id }, { signal }) => {
              signals.push(signal)
              return id === 2 ? never() : clock.sleep(1_000)
            },
            signal: drain.signal,
            concurrency: 2,
            drainMs: 3_000,
          },
          { clock },
        ),
      ),
    )
    give(1, 2, 3, 4)
    drain.abort()
    expect(said()).toEqual(['3:closing', '4:closing'])
    expect(closed()).toBe(1)
    await clock.advanceBy(1_000)
    expect(said().slice(2)).toEqual(['1:delivered'])
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
    await clock.advanceBy(2_000)
    expect(said().slice(3)).toEqual(['2:closing'])
    expect(signals[1]?.aborted).toBe(true)
    expect(ends).toEqual(['complete'])
    expect(settled.map(({ id }) => id)).toEqual([3, 4, 1, 2])
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(drain.signal, 'abort')).toHaveLength(0)
  })

  test('begins no further attempt: what waits between two is handed back', async () => {
    const clock = virtualClock()
    const drain = new AbortController()
    const { said, push, ends } = line({ to: down, signal: drain.signal }, clock)
    push(1)
    await clock.settle()
    drain.abort()
    expect(said()).toEqual(['1:closing'])
    expect(ends).toEqual(['complete'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('waits until what was settled is safe', async () => {
    const clock = virtualClock()
    const drain = new AbortController()
    const { source$, give } = shelf(() => clock.sleep(100))
    const { said, ends } = watched(source$.pipe(deliver({ to: never, signal: drain.signal, drainMs: 10 }, { clock })))
    give(1)
    drain.abort()
    await clock.advanceBy(109)
    expect(said()).toEqual(['1:closing'])
    expect(ends).toEqual([])
    await clock.advanceBy(1)
    expect(ends).toEqual(['complete'])
  })

  test('before it began takes nothing at all', () => {
    const { source$, wanted } = shelf()
    const { ends } = watched(source$.pipe(deliver({ to: never, signal: AbortSignal.abort() })))
    expect(ends).toEqual(['complete'])
    expect(wanted()).toBe(0)
  })

  test('follows by itself when the instance closes', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await gear.close({ deadlineMs: 0 })
    const { source$, give, closed } = shelf()
    const { said, ends } = watched(source$.pipe(deliver({ through: smtp, to: never }, { clock })))
    give(1, 2)
    await clock.settle()
    expect(said()).toEqual(['1:closing', '2:closing'])
    expect(ends).toEqual(['complete'])
    expect(closed()).toBe(1)
  })
})

describe('unsubscribing', () => {
  test('calls off what is being sent, hands all of it back, and emits nothing more', async () => {
    const clock = virtualClock()
    const signals: AbortSignal[] = []
    const { source$, give, settled, closed } = shelf()
    const { said, unsubscribe, ends } = watched(
      source$.pipe(
        deliver(
          {
            to: async ({ id }, { signal }) => {
              signals.push(signal)
              await clock.sleep(id === 2 ? 10 : 1_000)
              if (id === 2) throw new Error('down')
            },
            concurrency: 2,
          },
          { clock },
        ),
      ),
    )
    give(1, 2, 3)
    await clock.advanceBy(10)
    unsubscribe()
    expect(signals[0]?.aborted).toBe(true)
    expect(settled).toMatchObject([1, 2, 3].map((id) => ({ id, outcome: { reason: 'closing' } })).toSorted(bySettling))
    expect(closed()).toBe(1)
    await clock.advanceBy(10_000)
    expect(said()).toEqual([])
    expect(ends).toEqual([])
    expect(clock.pendingTimers).toBe(0)

    // What waits comes first.
    function bySettling(one: { readonly id: number }, other: { readonly id: number }): number {
      return Number(other.id === 3) - Number(one.id === 3)
    }
  })

  test('releases the probe, which the next call can have', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp', { failureThreshold: 1, recoveryTimeoutMs: 1_000 })
    await smtp.run(down).catch(() => {})
    await clock.advanceBy(1_200)
    const probes: unknown[] = []
    const { push, unsubscribe } = line(
      {
        through: smtp,
        to: (_item, { probe }) => {
          probes.push(probe)
          return never()
        },
      },
      clock,
    )
    push(1)
    await clock.advanceBy(200)
    expect(probes).toMatchObject([{ term: 1 }])
    expect(smtp.state.mode).toBe('halfOpen')
    unsubscribe()
    await clock.advanceBy(100)
    const value = smtp.run(async () => 'well')
    await clock.advanceBy(200)
    expect(await value).toBe('well')
    expect(smtp.state.mode).toBe('closed')
  })

  test('from within an emission stops a source that gives all it has at once', async () => {
    const items = Array.from({ length: 100 }, (_, id) => parcel(id))
    const sent: number[] = []
    const { said, ends } = watched(
      of(...items).pipe(deliver({ to: ({ id }) => sent.push(id), concurrency: 4, maxWaiting: 2 }), take(1)),
    )
    expect(said()).toEqual(['6:overCapacity'])
    expect(ends).toEqual(['complete'])
    expect(sent).toEqual([0, 1, 2, 3])
  })
})

describe('an item', () => {
  test('can be called off by its own signal, wherever it is', async () => {
    const clock = virtualClock()
    const aborts = [0, 1, 2, 3].map(() => new AbortController())
    aborts[0]?.abort()
    const { said, push } = line({ to: () => never(), signalOf: ({ id }) => aborts[id]?.signal, concurrency: 1 }, clock)
    push(0, 1, 2, 3)
    expect(said()).toEqual(['0:aborted'])
    aborts[2]?.abort()
    aborts[1]?.abort()
    expect(said()).toEqual(['0:aborted', '2:aborted', '1:aborted'])
    for (const { signal } of aborts.slice(0, 3)) expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('whose hooks throw has failed, and the others go on', async () => {
    const clock = virtualClock()
    const throwing = (at: number, error: unknown) => (item: Parcel) => {
      if (item.id === at) throw error
      return 'acme'
    }
    const { said, outcomes, push, ends } = line(
      {
        key: throwing(1, new TypeError('no key')),
        through: (item) => {
          if (item.id === 2) throw new OverCapacityError('breakers', 'breakersMax', 1)
          if (item.id === 3) throw new ClosedError('instance')
          throw new TypeError('no breaker')
        },
        to: async () => 1,
      },
      clock,
    )
    push(1, 2, 4)
    expect(said()).toEqual(['1:failed', '2:overCapacity', '4:failed'])
    expect(outcomes[2]).toMatchObject({ attempts: 0, error: { message: 'no breaker' } })
    push(3, 5)
    expect(said().slice(3)).toEqual(['3:closing'])
    expect(ends).toEqual(['complete'])
  })

  test('whose letter cannot be written has failed, and that is logged', async () => {
    const clock = virtualClock()
    const logged: unknown[] = []
    const error = (...of: unknown[]): void => {
      logged.push(of)
      throw new Error('a logger that throws')
    }
    const { said, push } = line(
      {
        to: down,
        retry: { maxAttempts: 1 },
        deadLetter: { queue: { enqueue: down }, describe: letterOf },
        logger: { info: error, warn: error, error },
      },
      clock,
    )
    push(1)
    await clock.settle()
    expect(said()).toEqual(['1:failed'])
    expect(logged).toHaveLength(1)

    function letterOf({ id, organization }: Parcel) {
      return { organization, channel: 'mail', messageId: `${id}`, payload: id }
    }
  })

  test('that takes too long has failed, and the breaker knows', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('smtp', { failureThreshold: 1 })
    const { outcomes, push } = line({ through, to: never, timeoutMs: 100, retry: { maxAttempts: 1 } }, clock)
    push(1)
    await clock.advanceBy(100)
    expect(outcomes).toMatchObject([{ status: 'failed', error: { type: 'timeout' }, durationMs: 100 }])
    expect(through.state.mode).toBe('open')
  })

  test('has its outcome told on switchgear:call', async () => {
    const heard: unknown[] = []
    const hear = (message: unknown): void => void heard.push(message)
    subscribe('switchgear:call', hear)
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const { push } = line({ through: gear.breaker('smtp'), to: async () => 1 }, clock)
    push(1)
    await clock.settle()
    unsubscribe('switchgear:call', hear)
    expect(heard).toMatchObject([{ breaker: 'smtp', outcome: { status: 'delivered', item: parcel(1) } }])
  })
})

test('when the source fails, its error comes after the outcomes of what it gave', async () => {
  const clock = virtualClock()
  const source$ = concat(
    of(parcel(1), parcel(2)),
    throwError(() => new Error('the source broke')),
  )
  const { said, ends } = watched(source$.pipe(deliver({ to: ({ id }) => clock.sleep(id), concurrency: 1 }, { clock })))
  await clock.advanceBy(2)
  expect(ends).toEqual([])
  await clock.advanceBy(1)
  expect(said()).toEqual(['1:delivered', '2:delivered'])
  expect(ends).toMatchObject([{ message: 'the source broke' }])
})

test('a policy whose signal aborts ends all items, and those that come later', async () => {
  const clock = virtualClock()
  const abort = new AbortController()
  const { said, push, source, ends } = line({ to: never, retry: { signal: abort.signal }, concurrency: 1 }, clock)
  push(1, 2)
  abort.abort()
  push(3)
  expect(said().toSorted()).toEqual(['1:aborted', '2:aborted', '3:aborted'])
  source.complete()
  expect(ends).toEqual(['complete'])
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
})
