import { randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { hostname } from 'node:os'
import { BehaviorSubject, Subject, type Observable } from 'rxjs'
import { z } from 'zod'
import { memoryCache } from './factories/memory-cache.ts'
import { memoryDeadLetters } from './factories/memory-dead-letters.ts'
import { memoryLog } from './adapters/memory/event-log.ts'
import { memoryLimiter } from './adapters/memory/limiter.ts'
import { ClosedError, ConfigError, UnavailableError } from './kernel/errors.ts'
import { checkFleetName, checkName } from './kernel/names.ts'
import { callable, count, durationMs, durationMsMax, hasMethods, parseOptions } from './kernel/options.ts'
import { breakerOptionsSchema, type BreakerOptions, type BreakerSettings } from './machines/breaker-options.ts'
import { breakerConflicts } from './machines/breaker-conflicts.ts'
import { describePosition, type BreakerState } from './machines/breaker-state.ts'
import type { CircuitBreaker } from './machines/breaker.ts'
import { createRegistry, type Registry } from './machines/registry.ts'
import { createReplica, type ReplicaHealth } from './machines/replica.ts'
import { fleetTransition, type Transition } from './machines/transition.ts'
import { systemClock, within, type Clock } from './ports/clock.ts'
import type { DeadLetters } from './streams/dead-letters/dead-letter-queue.ts'
import type { EventLog, Link, LogMembership } from './ports/event-log.ts'
import type { Limiter } from './ports/limiter.ts'
import { quietly, silentLogger, type Logger } from './ports/logger.ts'
import { systemRandom, type Random } from './ports/random.ts'
import { useShared } from './ports/shared-use.ts'
import { Breaker, type ObservableHost } from './streams/breaker.ts'
import { callConflicts } from './streams/configuration-conflicts.ts'
import { createSafeCall, type SafeCall } from './streams/safe-call/safe-call.ts'
import type { Cache } from './streams/cache/two-tier-cache.ts'
import { retryPolicySchema, type RetryPolicy } from './streams/retry/retry-policy.ts'

export interface SwitchgearOptions {
  /** Instances of one fleet share breakers; 1 to 64 of `A-Z a-z 0-9 _ -`; `default`. */
  readonly fleet?: string | undefined
  /** Tells this instance apart, also when votes are counted: give names that survive a restart. Host, pid and chance. */
  readonly instance?: string | undefined
  /** Where transitions are agreed on; `memoryLog()`, which is this instance alone. */
  readonly log?: EventLog | undefined
  /** What `safeCall` asks for its `limit`; `memoryLimiter()`, with the limits of the specification. */
  readonly limiter?: Limiter | undefined
  /** Where `safeCall` puts what could not be delivered; `memoryDeadLetters()`. */
  readonly deadLetters?: DeadLetters | undefined
  /** What is read often and may be a little old; `memoryCache()`, which is this process alone. */
  readonly cache?: Cache | undefined
  /** Anything with info, warn, error (object, message); silent. */
  readonly logger?: Logger | undefined
  /** Options of breakers by name; `default` is for those without an entry of their own. */
  readonly breakers?: Readonly<Record<string, BreakerOptions>> | undefined
  /** How `safeCall` retries where the call does not say. */
  readonly retry?: RetryPolicy | undefined
  /** How long a `safeCall` may take with its retries, in ms; off. */
  readonly deadlineMs?: number | undefined
  /** Breakers kept at once, at least 1; 10,000. Idle closed ones make room. */
  readonly breakersMax?: number | undefined
  /**
   * The W3C trace context of what runs now, for the events of breakers that it leads to; `activeTraceparent(trace)` of
   * `switchgear/telemetry` reads OpenTelemetry's. Absent: none.
   */
  readonly traceparent?: (() => string | undefined) | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

export const switchgearDefaults: Readonly<{
  fleet: string
  breakersMax: number
  readyDeadlineMs: number
  closeDeadlineMs: number
}> = Object.freeze({ fleet: 'default', breakersMax: 10_000, readyDeadlineMs: 10_000, closeDeadlineMs: 5_000 })

export interface Health {
  readonly fleet: string
  readonly instance: string
  readonly link: Link['state']
  readonly breakers: { readonly total: number; readonly notClosed: number }
  readonly log: ReplicaHealth
}

/** One instance of a fleet. */
export interface Switchgear {
  readonly fleet: string
  readonly instance: string
  /**
   * The breaker of this name, the same one each time. @throws ConfigError for bad options, or other ones than before;
   * OverCapacityError when `breakersMax` are in use; ClosedError after `close`.
   */
  breaker(name: string, options?: BreakerOptions): Breaker
  /** Those that were asked for in this instance, by name. */
  readonly breakers: ReadonlyMap<string, Breaker>
  /** Where every breaker stands that the fleet's log knows, also one that nobody has asked for here; by name. */
  states(): ReadonlyMap<string, BreakerState>
  /**
   * One value for each change of a breaker's mode: the fleet's of every breaker in its log, and this instance's own.
   * What a subscriber throws is reported as RxJS does, as an uncaught exception; it changes nothing here.
   */
  readonly transitions$: Observable<Transition>
  /** The link to the fleet's log; the current state first. */
  readonly link$: Observable<Link>
  /** Tells the other instances something, at most once and without storing it, and hears what they tell. */
  readonly peers: Pick<LogMembership, 'broadcast' | 'listen'>
  readonly limiter: Limiter
  readonly deadLetters: DeadLetters
  readonly cache: Cache
  /**
   * Makes a call through a breaker, with retries, a dead letter when all have failed, and a fallback. Never throws and
   * never rejects; the outcome says what became of it.
   */
  readonly safeCall: SafeCall
  /** Resolves when linked and caught up. @throws UnavailableError after `deadlineMs` (10,000), ClosedError */
  ready(options?: { readonly deadlineMs?: number | undefined }): Promise<void>
  health(): Health
  /** Drains for at most `deadlineMs` (5,000) and lets go of everything; resolves also when the servers are gone. */
  close(options?: { readonly deadlineMs?: number | undefined }): Promise<void>
}

const transitionChannel = channel('switchgear:transition')

/**
 * One instance, wired. Returns at once and protects on its own evidence until it is linked to its fleet.
 * @throws ConfigError
 */
export function createSwitchgear(options: SwitchgearOptions = {}): Switchgear {
  const given = parseOptions(optionsSchema, options, '')
  const fleet = checkFleetName(given.fleet ?? switchgearDefaults.fleet)
  const instance = checkName(
    given.instance ?? `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`.slice(-128),
    'instance',
  )
  for (const name of Object.keys(given.breakers ?? {})) checkName(name, 'breakers')
  const clock = given.clock ?? systemClock
  const random = given.random ?? systemRandom
  const logger = quietly(given.logger ?? silentLogger)
  const deadLetters = given.deadLetters ?? memoryDeadLetters({ clock, random })
  const limiter = given.limiter ?? memoryLimiter({ clock, random })
  const cache = given.cache ?? memoryCache({ logger, clock, random })
  for (const [name, store] of Object.entries({ limiter, deadLetters, cache }))
    if (store.fleet !== undefined && store.fleet !== fleet)
      throw new ConfigError(name, `expected one of the fleet "${fleet}" (given: one of "${store.fleet}")`)
  const transitions$ = new Subject<Transition>()
  const link$ = new BehaviorSubject<Link>({ state: 'down', why: 'not joined yet' })
  let closing: Promise<void> | undefined

  const log = given.log ?? memoryLog({ clock, random })
  const replica = createReplica(
    { fleet, instance, log, clock, random, logger, traceparent: given.traceparent },
    {
      onChange(breaker, before, after, event) {
        registry.all.get(breaker)?.onChange(before, after)
        const transition = fleetTransition(breaker, before, after, event, clock.now())
        if (transition !== undefined) emit(transition)
      },
      onLink(link) {
        logger.info({ fleet, instance, link }, `the link to the fleet is ${link.state}`)
        for (const breaker of registry.all.values()) breaker.onLink(link)
        link$.next(link)
      },
    },
  )
  // Nothing is refused from here on: what is joined and used is let go of by `close`.
  const leaveStores = [limiter, deadLetters, cache].map(useShared)
  const host: ObservableHost = {
    instance,
    clock,
    random,
    logger,
    replica,
    transitions$,
    get closed() {
      return closing !== undefined
    },
    emit,
    successor: (retired) => registry.successor(retired as CircuitBreaker),
    current: (name) => registry.all.get(name),
  }
  const registry: Registry<Breaker> = createRegistry({
    breakers: given.breakers ?? {},
    breakersMax: given.breakersMax ?? switchgearDefaults.breakersMax,
    create: createBreaker,
    now: () => clock.monotonic(),
  })
  for (const [name, of] of Object.entries(given.breakers ?? {})) if (name !== 'default') registry.get(name, of)

  for (const { path, message } of callConflicts(given)) logger.warn({ path }, message)

  const callsUnderWay = new Set<Promise<unknown>>()
  const safeCall = createSafeCall({
    breakerOf: (name) => breaker(name),
    limiter,
    deadLetters,
    clock,
    random,
    logger,
    isClosing: () => closing !== undefined,
    track(call) {
      callsUnderWay.add(call)
      void call.finally(() => callsUnderWay.delete(call))
    },
    retry: given.retry,
    deadlineMs: given.deadlineMs,
  })

  return {
    fleet,
    instance,
    breaker,
    safeCall,
    breakers: registry.all,
    states,
    transitions$: transitions$.asObservable(),
    link$: link$.asObservable(),
    peers: replica.peers,
    limiter,
    deadLetters,
    cache,
    async ready(of = {}) {
      const { deadlineMs = switchgearDefaults.readyDeadlineMs } = parseOptions(deadlineSchema, of, 'ready')
      if (!host.closed && (await replica.whenLinked(deadlineMs))) return
      if (host.closed) throw new ClosedError(`instance "${instance}"`)
      throw new UnavailableError(
        'event log',
        `not linked within ${deadlineMs} ms; calls are protected on this instance's own evidence`,
      )
    },
    health: () => ({
      fleet,
      instance,
      link: link$.value.state,
      breakers: {
        total: registry.all.size,
        notClosed: [...registry.all.values()].filter(({ state }) => state.mode !== 'closed').length,
      },
      log: replica.health(),
    }),
    async close(of = {}) {
      const { deadlineMs = switchgearDefaults.closeDeadlineMs } = parseOptions(deadlineSchema, of, 'close')
      await (closing ??= close(deadlineMs))
    },
  }

  function breaker(name: string, of?: BreakerOptions): Breaker {
    if (closing !== undefined) throw new ClosedError(`instance "${instance}"`)
    return registry.get(name, of)
  }

  function states(): ReadonlyMap<string, BreakerState> {
    const view = { linked: replica.linked, instance, wallNow: clock.now(), logNow: replica.logNow() }
    const ofFleet = [...replica.positions].map(([name, position]) => [name, describePosition(position, view)] as const)
    const own = [...registry.all.values()].map(({ name, state }) => [name, state] as const)
    return new Map([...ofFleet, ...own])
  }

  function createBreaker(name: string, settings: BreakerSettings): Breaker {
    for (const { path, message } of breakerConflicts(settings, `breakers.${name}`))
      logger.warn({ breaker: name, path }, `breaker "${name}": ${message}`)
    return new Breaker(name, settings, host)
  }

  function emit(transition: Transition): void {
    const { breaker, from, to, scope } = transition
    // Of the fleet's other breakers, who wants to know can ask; a log of 1,000 instances would have each a thousandfold.
    if (registry.all.has(breaker))
      logger[to === 'closed' || to === 'halfOpen' ? 'info' : 'warn'](
        { ...transition, fleet, instance },
        `breaker "${breaker}" went from ${from} to ${to} (${scope})`,
      )
    if (transitionChannel.hasSubscribers) transitionChannel.publish(transition)
    transitions$.next(transition)
  }

  /** Nothing new is admitted, and safe calls that are under way end. */
  async function close(deadlineMs: number): Promise<void> {
    for (const breaker of registry.all.values()) breaker.shut()
    await within(clock, deadlineMs, Promise.allSettled(callsUnderWay))
    for (const breaker of registry.all.values()) breaker.retire()
    await replica.close()
    const left = Promise.allSettled(leaveStores.map((leave) => leave()))
    await within(clock, Math.max(1, deadlineMs), left)
    transitions$.complete()
    link$.complete()
  }
}

/** 0: without waiting. */
const deadlineSchema: z.ZodType<{ deadlineMs?: number | undefined }> = z.strictObject({
  deadlineMs: z.number().nonnegative().max(durationMsMax).optional(),
})

const methods =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    hasMethods(value, names)

const optionsSchema: z.ZodType<SwitchgearOptions> = z.strictObject({
  fleet: z.string().optional(),
  instance: z.string().optional(),
  log: z.custom<EventLog>(methods('join'), { error: 'expected an event log, such as memoryLog()' }).optional(),
  limiter: z.custom<Limiter>(methods('check', 'peek', 'refund'), { error: 'expected a limiter' }).optional(),
  deadLetters: z
    .custom<DeadLetters>(methods('enqueue', 'get', 'list'), {
      error: 'expected dead letters, such as memoryDeadLetters()',
    })
    .optional(),
  cache: z
    .custom<Cache>(methods('get', 'wrap', 'invalidate'), { error: 'expected a cache, such as memoryCache()' })
    .optional(),
  logger: z.custom<Logger>(methods('info', 'warn', 'error'), { error: 'expected info, warn and error' }).optional(),
  breakers: z.record(z.string(), breakerOptionsSchema).optional(),
  retry: retryPolicySchema.optional(),
  deadlineMs: durationMs.optional(),
  breakersMax: count.optional(),
  traceparent: callable<() => string | undefined>().optional(),
  clock: z
    .custom<Clock>(methods('now', 'monotonic', 'setTimeout', 'clearTimeout', 'sleep'), { error: 'expected a clock' })
    .optional(),
  random: z.custom<Random>(methods('next'), { error: 'expected next()' }).optional(),
})
