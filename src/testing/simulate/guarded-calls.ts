import { BreakerOpenError } from '../../kernel/errors.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import { callWheel } from './call-wheel.ts'
import type { CallRules } from './call-rules.ts'
import type { Arrivals } from './chance.ts'
import type { Dependency } from './dependency.ts'
import { emptyTally, type Tally } from './tally.ts'
import type { TraceHash } from './trace-hash.ts'
import type { Permit } from '../../machines/permit.ts'

/** The instance that calls are made on, as far as calls need it. */
export interface CallSite {
  readonly breaker: CircuitBreaker
  readonly rules: CallRules
  /** Whether calls come to it: it has not crashed. */
  readonly up: boolean
  /** While it stands still: when it goes on. */
  readonly pausedUntil: number | undefined
}

export interface GuardedCallsOptions {
  readonly sites: readonly CallSite[]
  /** When no call is asked for any more, in ms. */
  untilMs(): number
  readonly lateAfterMs: number
  readonly arrivals: Arrivals
  readonly dependency: Dependency
  readonly hash: TraceHash
  readonly bucketMs: number
  /** How far the timeline goes, in ms. */
  readonly timelineMs: number
}

/** Calls of a whole fleet, through its real breakers. */
export interface GuardedCalls {
  readonly tally: Tally
  /** Calls that have no outcome yet, dead letters not counted. */
  readonly underWay: number
  /** Dead letters that wait for a redrive. */
  readonly letters: number
  /** Everything that happens at this ms. True where promises have to settle afterwards. */
  onTick(tick: number): boolean
  /** The gate of this instance may have changed, so it is asked again. */
  gateChanged(place: number): void
  /** The process ended: what it had under way comes back to another one from the durable store that it was taken from. */
  crashed(place: number): void
  /** What an instance that probes by itself asks the dependency with. */
  check(place: number): Promise<void>
  /** Sends up to so many dead letters of an instance again. */
  redrive(place: number, max: number, tick: number): void
}

/**
 * How a call is made, so that millions are cheap and nothing of the breaker is left out: in the closed state a permit,
 * which takes no promise; while the gate refuses, the answer that the breaker gave, until the moment that it named or
 * until something has changed; and in any other case, such as for a probe, `run`.
 */
export function guardedCalls(options: GuardedCallsOptions): GuardedCalls {
  const { sites, lateAfterMs, arrivals, dependency, hash } = options
  const count = sites.length
  const tally = emptyTally(options.timelineMs, options.bucketMs)
  /** From which ms on the gate has to be asked again; `Infinity` while it admits. */
  const refusesUntil = new Float64Array(count)
  const admits = new Uint8Array(count)
  const lives = new Uint32Array(count)
  const lettersOf = new Uint32Array(count)
  const guarded = new Set<GuardedCall>()

  let places = new Uint32Array(0)
  let askedAts = new Float64Array(0)
  let attempts = new Uint16Array(0)
  let delays = new Float64Array(0)
  let livesThen = new Uint32Array(0)
  let phases = new Uint8Array(0)
  const errors: (Error | undefined)[] = []
  const permits: (Permit | undefined)[] = []
  const settlers: (((error: Error | undefined) => void) | undefined)[] = []
  const wheel = callWheel(count, (capacity) => {
    places = grown(places, new Uint32Array(capacity))
    askedAts = grown(askedAts, new Float64Array(capacity))
    attempts = grown(attempts, new Uint16Array(capacity))
    delays = grown(delays, new Float64Array(capacity))
    livesThen = grown(livesThen, new Uint32Array(capacity))
    phases = grown(phases, new Uint8Array(capacity))
    for (const objects of [errors, permits, settlers]) while (objects.length < capacity) objects.push(undefined)
  })
  let now = 0
  let letters = 0
  let busy = false
  for (let place = 0; place < count; place++) scheduleArrival(place)

  return {
    tally,
    get underWay() {
      return wheel.used + guarded.size
    },
    get letters() {
      return letters
    },
    onTick(tick) {
      now = tick
      busy = false
      wheel.drain(tick, onDue)
      return busy
    },
    gateChanged(place) {
      admits[place] = 0
      refusesUntil[place] = 0
    },
    crashed(place) {
      lives[place] = (lives[place] ?? 0) + 1
      for (const call of guarded) if (call.place === place) interrupt(call)
    },
    check: (place) => reach(place, siteOf(place), now, 1, 0, true),
    redrive,
  }

  function onDue(slot: number): void {
    if (slot < count) return onArrival(slot)
    const place = places[slot] ?? 0
    const site = siteOf(place)
    if (livesThen[slot] !== lives[place]) return onLostSlot(slot, place)
    if (site.pausedUntil !== undefined) return wheel.push(slot, Math.max(now + 1, site.pausedUntil))
    if (phases[slot] === phase.running) return onAnswer(slot, place, site)
    const askedAt = askedAts[slot] ?? 0
    const attempt = (attempts[slot] ?? 0) + 1
    const delay = delays[slot] ?? 0
    wheel.free(slot)
    attemptCall(place, site, askedAt, attempt, delay)
  }

  function onArrival(place: number): void {
    const site = siteOf(place)
    scheduleArrival(place)
    if (!site.up) return
    tally.calls++
    site.rules.begin()
    if (site.pausedUntil === undefined) return attemptCall(place, site, now, 1, 0)
    wait(place, now, 0, 0, Math.max(now + 1, site.pausedUntil))
  }

  function scheduleArrival(place: number): void {
    const at = arrivals.next(place, now)
    if (at < options.untilMs()) wheel.push(place, at)
  }

  /** A slot of a process that has crashed meanwhile. */
  function onLostSlot(slot: number, place: number): void {
    permits[slot] = undefined
    const settle = settlers[slot]
    settlers[slot] = undefined
    wheel.free(slot)
    // A call that went through `run` was counted when the process ended.
    if (settle === undefined) writeLetter(place)
  }

  function attemptCall(place: number, site: CallSite, askedAt: number, attempt: number, delay: number): void {
    if (admits[place] === 0) {
      if (now < (refusesUntil[place] ?? 0)) return refuse(place, now)
      if (!consult(place, site)) return runGuarded({ place, site, askedAt, attempt, delay, done: false })
      if (admits[place] === 0) return refuse(place, now)
    }
    const permit = site.breaker.tryAcquire()
    if (permit instanceof BreakerOpenError) return refuse(place, now)
    const answer = dependency.ask(now, place)
    const tookMs = site.rules.bound(answer, now - askedAt)
    if (answer.troubled) tally.reachedWhileDead++
    const slot = wheel.take()
    permits[slot] = permit
    send(slot, place, askedAt, attempt, delay, answer.error, tookMs)
  }

  /** Asks the breaker what it does with calls from now on; false where it has to be asked for each. */
  function consult(place: number, { breaker }: CallSite): boolean {
    const waitMs = breaker.refusedForMs()
    const { mode } = breaker.state
    if (waitMs !== undefined) {
      if (mode === 'open' || mode === 'forcedOpen') refusesUntil[place] = Math.ceil(now + Math.min(waitMs, 1e9))
      return mode !== 'halfOpen'
    }
    if (mode !== 'closed' && mode !== 'disabled') return false
    admits[place] = 1
    return true
  }

  function send(
    slot: number,
    place: number,
    askedAt: number,
    attempt: number,
    delay: number,
    error: Error | undefined,
    tookMs: number,
  ): void {
    fill(slot, place, askedAt, attempt, delay, phase.running)
    errors[slot] = error
    wheel.push(slot, now + Math.max(1, tookMs))
  }

  function fill(slot: number, place: number, askedAt: number, attempt: number, delay: number, at: number): void {
    places[slot] = place
    askedAts[slot] = askedAt
    attempts[slot] = attempt
    delays[slot] = delay
    livesThen[slot] = lives[place] ?? 0
    phases[slot] = at
  }

  function wait(place: number, askedAt: number, attempt: number, delay: number, until: number): void {
    const slot = wheel.take()
    fill(slot, place, askedAt, attempt, delay, phase.waiting)
    wheel.push(slot, until)
  }

  function onAnswer(slot: number, place: number, site: CallSite): void {
    const error = errors[slot]
    const permit = permits[slot]
    const settle = settlers[slot]
    const askedAt = askedAts[slot] ?? 0
    const attempt = attempts[slot] ?? 0
    const delay = delays[slot] ?? 0
    errors[slot] = undefined
    permits[slot] = undefined
    settlers[slot] = undefined
    wheel.free(slot)
    if (settle !== undefined) {
      busy = true
      return settle(error)
    }
    if (error === undefined) {
      permit?.success()
      return deliver(place, askedAt)
    }
    permit?.failure(error)
    failAttempt(place, site, askedAt, attempt, delay, error)
  }

  function deliver(place: number, askedAt: number): void {
    if (now - askedAt > lateAfterMs) tally.late++
    else tally.delivered++
    tally.mark('delivered', now)
    hash.add((now << 10) ^ place)
  }

  function failAttempt(
    place: number,
    site: CallSite,
    askedAt: number,
    attempt: number,
    delay: number,
    error: Error,
  ): void {
    tally.mark('failed', now)
    hash.add((now << 10) ^ place ^ 0x40000000)
    const next = site.rules.next(error, attempt, attempt > 1 ? delay : undefined, askedAt, now)
    if (typeof next !== 'number') return writeLetter(place)
    wait(place, askedAt, attempt, next, now + next)
  }

  function refuse(place: number, at: number): void {
    tally.refused++
    tally.mark('refused', at)
    hash.add((at << 10) ^ place ^ 0x20000000)
    writeLetter(place)
  }

  function writeLetter(place: number): void {
    lettersOf[place] = (lettersOf[place] ?? 0) + 1
    letters++
  }

  /** Through `run`: this call may become the probe, and has to wait for the fleet's word. */
  function runGuarded(call: GuardedCall): void {
    const { place, site, askedAt, attempt, delay } = call
    busy = true
    guarded.add(call)
    const work = ({ probe }: Pick<Call, 'probe'>): Promise<void> =>
      reach(place, site, askedAt, attempt, delay, probe !== undefined)
    site.breaker.run(work).then(
      () => ended(call) && deliver(place, askedAt),
      (error: unknown) => {
        if (!ended(call)) return
        if (error instanceof BreakerOpenError) refuse(place, now)
        else failAttempt(place, site, askedAt, attempt, delay, error instanceof Error ? error : new Error('failed'))
      },
    )
  }

  /** Asks the dependency, with a promise of its answer. */
  function reach(
    place: number,
    site: CallSite,
    askedAt: number,
    attempt: number,
    delay: number,
    isProbe: boolean,
  ): Promise<void> {
    if (isProbe) tally.probes++
    const answer = dependency.ask(now, place)
    const tookMs = site.rules.bound(answer, now - askedAt)
    if (answer.troubled) tally.reachedWhileDead++
    hash.add((now << 10) ^ place ^ 0x10000000)
    const { error } = answer
    return new Promise((resolve, reject) => {
      const slot = wheel.take()
      settlers[slot] = (failure) => (failure === undefined ? resolve() : reject(failure))
      send(slot, place, askedAt, attempt, delay, error, tookMs)
    })
  }

  /** True the first time. */
  function ended(call: GuardedCall): boolean {
    if (call.done) return false
    call.done = true
    return guarded.delete(call)
  }

  function interrupt(call: GuardedCall): void {
    if (ended(call)) writeLetter(call.place)
  }

  function redrive(place: number, max: number, tick: number): void {
    const { breaker, up } = siteOf(place)
    for (let sent = 0; sent < max && up && (lettersOf[place] ?? 0) > 0; sent++) {
      const permit = breaker.tryAcquire()
      if (permit instanceof BreakerOpenError) return
      const { error } = dependency.ask(tick, place)
      if (error !== undefined) return permit.failure(error)
      permit.success()
      lettersOf[place] = (lettersOf[place] ?? 0) - 1
      letters--
      tally.late++
      tally.mark('redelivered', tick)
    }
  }

  function siteOf(place: number): CallSite {
    const site = sites[place]
    if (site === undefined) throw new RangeError(`there is no instance ${place}`)
    return site
  }
}

/** What a slot is in the middle of. */
const phase = Object.freeze({ running: 0, waiting: 1 })

interface GuardedCall {
  readonly place: number
  readonly site: CallSite
  readonly askedAt: number
  readonly attempt: number
  readonly delay: number
  done: boolean
}

function grown<A extends { set(from: A): void }>(from: A, into: A): A {
  into.set(from)
  return into
}
