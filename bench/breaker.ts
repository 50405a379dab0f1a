import { setTimeout as sleep } from 'node:timers/promises'
import { SlidingCountBreaker } from 'mollitia'
import { BreakerOpenError, createSwitchgear, type Breaker, type Switchgear } from 'switchgear'
import { heapOfUnused } from './breaker-heap.ts'
import {
  cockatielBreaker,
  mollitiaBreaker,
  opossumBreaker,
  opossumThatNeverTrips,
  unreachable,
} from './breaker-peers.ts'
import { awaiting, bare, catching, resolves } from './calls.ts'
import { compare, type Bench, type Contender, type Measured } from './harness.ts'

/** What a call through a breaker costs, and what a breaker costs that is there for nothing. */
export const breakerBench: Bench = {
  name: 'breaker',
  what: 'ratio to `await fn()`, where fn is an async function that resolves at once',
  async run() {
    const gear = createSwitchgear()
    await gear.ready()
    const measured = [
      ...(await closedAndResolving(gear)),
      ...(await closedAndRejecting(gear)),
      ...(await open(gear)),
      await heap(),
      ...(await curve(gear)),
    ]
    await gear.close()
    return measured
  },
}

async function closedAndResolving(gear: Switchgear): Promise<readonly Measured[]> {
  const counting = gear.breaker('counting')
  const slowCallRate = { over: { calls: 100 }, threshold: 0.5, slowerThanMs: 10_000 }
  const timing = gear.breaker('timing', { slowCallRate })
  const permitting = gear.breaker('permitting')
  const cockatiel = cockatielBreaker()
  const cockatielTiming = cockatielBreaker()
  let slowestMs = 0
  cockatielTiming.onSuccess(({ duration }) => (slowestMs = Math.max(slowestMs, duration)))
  const opossum = opossumBreaker(resolves)
  const mollitia = mollitiaBreaker(resolves)

  const measured = await compare({
    baseline: bare,
    rows: [
      {
        id: 'closed',
        what: 'closed, resolves at once, count rule',
        goal: { atMost: 2.2 },
        limit: '1.6–2.1',
        ours: awaiting(() => counting.run(resolves)),
        peers: {
          cockatiel: awaiting(() => cockatiel.execute(resolves)),
          opossum: awaiting(() => opossum.fire()),
          mollitia: awaiting(() => mollitia.execute<number>()),
        },
      },
      {
        id: 'closedTimed',
        what: 'the same with latency recorded',
        goal: { atMost: 4 },
        limit: '3.7',
        ours: awaiting(() => timing.run(resolves)),
        peers: { cockatiel: awaiting(() => cockatielTiming.execute(resolves)) },
      },
      {
        id: 'permit',
        what: 'permit: tryAcquire, await fn(), success',
        goal: { atMost: 1.4 },
        limit: '1.2',
        async ours(calls) {
          let sum = 0
          for (let i = 0; i < calls; i++) {
            const permit = permitting.tryAcquire()
            if (permit instanceof BreakerOpenError) throw permit
            sum += await resolves()
            permit.success()
          }
          return sum
        },
      },
    ],
  })
  opossum.shutdown()
  return measured
}

/** The work does something first, and its error is made for the occasion, as errors are; the baseline pays for both. */
async function closedAndRejecting(gear: Switchgear): Promise<readonly Measured[]> {
  const rejectsLater = async (): Promise<number> => {
    await undefined
    throw new Error('no answer')
  }
  const ours = gear.breaker('rejecting', { failureThreshold: unreachable })
  const cockatiel = cockatielBreaker(unreachable)
  const opossum = opossumThatNeverTrips(rejectsLater)
  const mollitia = mollitiaBreaker(rejectsLater, 101)

  const measured = await compare({
    baseline: catching(rejectsLater),
    rows: [
      {
        id: 'rejectsLater',
        what: 'closed, rejects later (to the same without a breaker)',
        goal: { atMost: 1.4 },
        limit: '1.27',
        ours: catching(() => ours.run(rejectsLater)),
        peers: {
          cockatiel: catching(() => cockatiel.execute(rejectsLater)),
          opossum: catching(() => opossum.fire()),
          mollitia: catching(() => mollitia.execute<number>()),
        },
      },
    ],
  })
  opossum.shutdown()
  return measured
}

async function open(gear: Switchgear): Promise<readonly Measured[]> {
  const ours = gear.breaker('open', { failureThreshold: 1, recoveryTimeoutMs: 3_600_000 })
  await openForAll(ours)
  const cockatiel = cockatielBreaker()
  cockatiel.isolate()
  const opossum = opossumBreaker(resolves)
  opossum.open()
  const mollitia = mollitiaBreaker(resolves)
  for (const module of mollitia.modules) if (module instanceof SlidingCountBreaker) await module.open()

  const measured = await compare({
    baseline: bare,
    rows: [
      {
        id: 'openRun',
        what: 'open: run refused and caught',
        goal: { atMost: 22 },
        limit: '17',
        ours: catching(() => ours.run(resolves)),
        peers: {
          cockatiel: catching(() => cockatiel.execute(resolves)),
          opossum: catching(() => opossum.fire()),
          mollitia: catching(() => mollitia.execute<number>()),
        },
      },
      {
        id: 'openTryAcquire',
        what: 'open: tryAcquire',
        goal: { atMost: 1.5 },
        limit: '1.2',
        ours(calls) {
          let waitsMs = 0
          for (let i = 0; i < calls; i++) {
            const refusal = ours.tryAcquire()
            if (!(refusal instanceof BreakerOpenError)) throw new Error('it let a call through')
            waitsMs += refusal.retryAfterMs
          }
          return waitsMs
        },
      },
      {
        id: 'openSafeCall',
        what: 'open: safeCall result',
        goal: { atMost: 4 },
        limit: '1.2',
        async ours(calls) {
          let refused = 0
          for (let i = 0; i < calls; i++) {
            const { status } = await gear.safeCall({ breaker: 'open' }, resolves)
            if (status === 'refused') refused++
          }
          if (refused !== calls) throw new Error(`${calls - refused} of ${calls} calls were not refused`)
          return refused
        },
      },
    ],
  })
  opossum.shutdown()
  mollitia.dispose()
  return measured
}

/** Trips it, and waits until the whole fleet is open, which is what a breaker is most of the time that it is open. */
async function openForAll(breaker: Breaker): Promise<void> {
  const permit = breaker.tryAcquire()
  if (!(permit instanceof BreakerOpenError)) permit.failure()
  while (breaker.state.mode !== 'open' || breaker.state.scope !== 'fleet') await sleep(10)
}

async function heap(): Promise<Measured> {
  return {
    id: 'heap',
    what: 'heap of an unused breaker, with its name and its place in the map',
    unit: 'bytes',
    goal: { atMost: 250 },
    limit: '88',
    value: await heapOfUnused('switchgear'),
    peers: {
      cockatiel: await heapOfUnused('cockatiel'),
      opossum: await heapOfUnused('opossum'),
      mollitia: await heapOfUnused('mollitia'),
    },
  }
}

/** The cost of a call must not grow with the number of breakers. */
async function curve(gear: Switchgear): Promise<readonly Measured[]> {
  return compare({
    baseline: bare,
    rows: [1, 10, 100, 1_000].map((count) => ({
      id: `closedOf${count}`,
      what: `closed, ${count.toLocaleString('en')} in turn`,
      ours: inTurn(Array.from({ length: count }, (_, i) => gear.breaker(`curve-${count}-${i}`))),
    })),
  })
}

function inTurn(breakers: readonly Breaker[]): Contender {
  return async (calls) => {
    let sum = 0
    let next = 0
    for (let i = 0; i < calls; i++) {
      sum += (await breakers[next]?.run(resolves)) ?? NaN
      next = next + 1 === breakers.length ? 0 : next + 1
    }
    return sum
  }
}
