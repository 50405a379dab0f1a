import { strict as assert } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { unread } from '../../src/machines/fold.ts'
import { redisDeadLetters } from '../../src/redis.ts'
import { leasesIn } from '../../src/testing/laws/probe.ts'
import { acceptedOf, foldAll } from '../fleet/read-log.ts'
import { until } from '../servers/until.ts'
import type { ChaosFleet } from './chaos-fleet.ts'
import { breakerNames, type Decided, hotLimit, type SeenTransition, type Standing } from './chaos-records.ts'

/** A law, and how many operations it was checked on. Throws where it is broken. */
export type ChaosLaw = (fleet: ChaosFleet) => Promise<number> | number

/** What must hold of the recorded histories, once everything is mended and quiet. */
export const chaosLaws: Readonly<Record<string, ChaosLaw>> = {
  'fleet.agreement': agreement,
  'fleet.convergence': convergence,
  'fleet.one-winner': oneWinner,
  'probe.one-lease': oneLease,
  'probe.one-result': oneResult,
  'breaker.path': path,
  'breaker.refuses': refuses,
  'limiter.never-over': neverOver,
  'deadLetters.kill': noLoss,
  'cache.fresh': fresh,
}

/** Whoever saw a transition of the fleet saw the same one. */
function agreement({ units }: ChaosFleet): number {
  const seen = transitionsOf(units).filter(({ scope, seq }) => scope === 'fleet' && seq > 0)
  const first = new Map<string, object>()
  for (const { breaker, seq, to, term } of seen) {
    const place = `${breaker} at ${seq}`
    const said = { to, term }
    assert.deepEqual(said, first.get(place) ?? said, place)
    first.set(place, said)
  }
  return seen.length
}

/** All are linked, nothing waits, and everybody stands where the whole log leads. */
async function convergence(fleet: ChaosFleet): Promise<number> {
  let last: readonly Standing[] = []
  const agrees = ({ link, spilled, divergences, states }: Standing): boolean =>
    link === 'linked' && spilled === 0 && divergences === 0 && isDeepStrictEqual(states, expectedOf(fleet))
  const converged = async (): Promise<true | undefined> => {
    last = await Promise.all(fleet.units.map((unit) => unit.standing()))
    return last.every(agrees) || undefined
  }
  await until('all to agree', converged, 30_000).catch(() =>
    assert.fail(`they stand at ${JSON.stringify(last)}, the log at ${JSON.stringify(expectedOf(fleet))}`),
  )
  return last.length * breakerNames.length
}

function expectedOf(fleet: ChaosFleet): Standing['states'] {
  return breakerNames.map((breaker) => {
    const { mode, term } = (logOf(fleet, breaker).at(-1)?.position ?? unread).state
    return { breaker, mode, term, scope: 'fleet' }
  })
}

function oneWinner(fleet: ChaosFleet): number {
  return eachLog(fleet, (read) => {
    const ids = read.map(({ message }) => message.id)
    assert.equal(new Set(ids).size, ids.length, 'an event is stored twice')
    const after = acceptedOf(read).map(({ expected }) => expected)
    assert.equal(new Set(after).size, after.length, 'two events count after the same one')
    return read.length
  })
}

function oneLease(fleet: ChaosFleet): number {
  return eachLog(fleet, (read) => {
    const leases = leasesIn(read.map(({ message }) => message))
    leases.forEach((lease, at) => {
      const next = leases[at + 1]
      assert.ok(next === undefined || next.from >= lease.endedAt, `${lease.token} and ${next?.token} are valid at once`)
    })
    return leases.length
  })
}

function oneResult(fleet: ChaosFleet): number {
  return eachLog(fleet, (read) => {
    const fences = acceptedOf(read).flatMap(({ event: { fact } }) =>
      fact !== undefined && 'fence' in fact ? [fact.fence] : [],
    )
    assert.equal(new Set(fences).size, fences.length, 'a lease has two results')
    return fences.length
  })
}

function path(fleet: ChaosFleet): number {
  return eachLog(fleet, (read) => {
    const accepted = acceptedOf(read)
    for (const { event } of accepted)
      assert.ok(event.from !== 'open' || event.to !== 'closed', 'open became closed without a probe')
    return accepted.length
  })
}

/** Whoever opens, by itself or with the fleet, lets no call through but a probe from the same tick on. */
function refuses({ units }: ChaosFleet): number {
  const opened = transitionsOf(units).filter(({ to }) => to === 'open')
  for (const { instance, breaker, refuses: does } of opened)
    assert.ok(does, `${instance} lets calls to ${breaker} through`)
  return opened.length
}

/** Of grants that were certainly made within one window there are no more than the limit. */
function neverOver({ units }: ChaosFleet): number {
  const decided = units.flatMap(({ seen }) => seen.filter((one): one is Decided => one.what === 'decision'))
  const granted = decided.filter((one) => one.granted).toSorted((a, b) => a.from - b.from)
  granted.forEach(({ from }, at) => {
    const end = from + hotLimit.windowMs - 1
    let count = 0
    for (let next = at; (granted[next]?.from ?? Infinity) < end; next++)
      if ((granted[next]?.to ?? Infinity) < end) count++
    assert.ok(count <= hotLimit.limit, `${count} were granted in ${hotLimit.windowMs} ms`)
  })
  return decided.length
}

/** Every letter that was acknowledged to anybody, who may have been killed since, is there. */
async function noLoss({ units, redis, fleet }: ChaosFleet): Promise<number> {
  const acknowledged = units.flatMap(({ seen }) => seen.flatMap((one) => (one.what === 'letter' ? [one.id] : [])))
  const queue = redisDeadLetters({ url: redis.url, fleet, deadlineMs: 5_000 })
  try {
    for (const id of acknowledged) assert.ok((await queue.get(id)) !== undefined, `letter ${id} is lost`)
  } finally {
    await queue.close?.()
  }
  return acknowledged.length
}

function fresh({ units }: ChaosFleet): number {
  const reads = units.flatMap(({ seen }) => seen.filter((one) => one.what === 'read'))
  assert.equal(reads.filter(({ isOld }) => isOld).length, 0, 'what was invalidated was read')
  return reads.length
}

function transitionsOf(units: ChaosFleet['units']): readonly SeenTransition[] {
  return units.flatMap(({ seen }) => seen.filter((one): one is SeenTransition => one.what === 'transition'))
}

type Log = ReturnType<typeof foldAll>

function eachLog(fleet: ChaosFleet, check: (read: Log) => number): number {
  return breakerNames.reduce((sum, breaker) => sum + check(logOf(fleet, breaker)), 0)
}

function logOf({ stored }: ChaosFleet, breaker: string): Log {
  return foldAll(stored.filter(({ topic }) => topic === breaker))
}
