import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import type { Permit } from '../../machines/permit.ts'
import { decodeEvent } from '../../machines/breaker-codec.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law, Verdict } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'

const endings = [
  'value',
  'throws',
  'rejects',
  'ownFault',
  'timesOut',
  'hangs',
  'abortedByCaller',
  'permitSuccess',
  'permitFailure',
  'permitIgnored',
  'permitTwice',
  'permitLost',
  'permitNeverTaken',
] as const
type Ending = (typeof endings)[number]

interface ReleasedCase {
  readonly seed: number
  readonly latencyMs: number
  readonly successesToClose: number
  readonly endings: readonly Ending[]
}

const leaseMs = 2_000
const timeoutMs = 1_000

/** `probe.released` */
export const released: Law<ReleasedCase> = {
  name: 'probe.released',
  says: 'a probe is released exactly once, however it ends: by a value, a throw, a timeout, an abort, a permit that is lost',
  cases: fc.record({
    seed: fc.nat(),
    latencyMs: fc.constantFrom(0, 0, 5, 100),
    successesToClose: fc.constantFrom(1, 2, 5),
    endings: fc.array(fc.constantFrom(...endings), { minLength: 1, maxLength: 6 }),
  }),
  async holds(given): Promise<Verdict> {
    const clock = virtualClock({ startAt: 1_000_000 })
    const random = seededRandom(given.seed)
    const latency = given.latencyMs > 0 && { latencyMs: { min: 0, max: given.latencyMs } }
    const log = memoryLog({ clock, random, ...latency })
    const options = {
      failureThreshold: 1,
      recoveryTimeoutMs: 500,
      recoveryBackoff: { maxMs: 1_000 },
      timeoutMs,
      probe: { leaseMs, successesToClose: given.successesToClose },
    }
    const fleet = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options })
    const breaker = fleet.instances[0]?.breaker('smtp')
    if (breaker === undefined) throw new Error('no instance')
    await clock.advanceBy(given.latencyMs * 2)
    for (const ending of given.endings) {
      if (breaker.state.mode === 'closed') await tripped(breaker, clock)
      await clock.advanceBy(1_200)
      await probe(breaker, clock, ending)
      await clock.advanceBy(leaseMs + given.latencyMs * 4)
      const facts = fleet.stored.map(({ data }) => decodeEvent(data).fact)
      const claims = facts.filter((fact) => fact?.type === 'probeClaimed').length
      const fences = facts.flatMap((fact) => (fact !== undefined && 'fence' in fact ? [fact.fence] : []))
      assert.equal(new Set(fences).size, fences.length, `${ending}: a lease was released twice`)
      assert.equal(fences.length, claims, `${ending}: ${claims} leases, ${fences.length} releases`)
    }
    // Nothing is stuck: the next probes run, and close it.
    for (let left = given.successesToClose * 2; left > 0 && breaker.state.mode !== 'closed'; left--) {
      await clock.advanceBy(1_200)
      await clock.runUntil(breaker.run(() => {}).catch(() => {}))
      await clock.advanceBy(given.latencyMs * 4)
    }
    assert.equal(breaker.state.mode, 'closed', `it is ${breaker.state.mode} still`)
    return 'held'
  },
}

async function tripped(breaker: CircuitBreaker, clock: VirtualClock): Promise<void> {
  await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  await clock.advanceBy(600)
}

/** Takes the probe and ends it in that way. */
async function probe(breaker: CircuitBreaker, clock: VirtualClock, ending: Ending): Promise<void> {
  if (!ending.startsWith('permit')) return runProbe(breaker, clock, ending)
  // The first ask is refused, and claims.
  breaker.tryAcquire()
  if (ending === 'permitNeverTaken') return
  await clock.advanceBy(500)
  const permit = breaker.tryAcquire()
  assert.ok(!(permit instanceof BreakerOpenError) && permit.probe !== undefined, 'the permit of the probe was refused')
  assert.ok(breaker.tryAcquire() instanceof BreakerOpenError, 'there is more than one permit of a probe')
  endPermit(permit, ending)
}

function endPermit(permit: Permit, ending: Ending): void {
  if (ending === 'permitSuccess') permit.success()
  if (ending === 'permitFailure') permit.failure()
  if (ending === 'permitIgnored') permit.ignore()
  if (ending === 'permitTwice') {
    permit.ignore()
    permit.failure()
    permit.success()
  }
}

async function runProbe(breaker: CircuitBreaker, clock: VirtualClock, ending: Ending): Promise<void> {
  const giveUp = new AbortController()
  const never = new Promise<never>(() => {})
  const call = breaker.run(
    () => {
      if (ending === 'throws') throw new Error('down')
      if (ending === 'rejects') return Promise.reject(new Error('down'))
      if (ending === 'ownFault') return Promise.reject(Object.assign(new Error('none left'), { code: 'EMFILE' }))
      return ending === 'value' ? undefined : never
    },
    { signal: giveUp.signal },
  )
  const ended = call.catch(() => {})
  if (ending === 'abortedByCaller') {
    await clock.advanceBy(500)
    giveUp.abort(new Error('the caller left'))
  }
  await clock.runUntil(ended)
}
