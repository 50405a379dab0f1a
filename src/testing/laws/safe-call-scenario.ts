import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { memoryLetters } from '../../adapters/memory/letters.ts'
import { memoryLimiter } from '../../adapters/memory/limiter.ts'
import type { Classify } from '../../kernel/classify.ts'
import { ConfigError } from '../../kernel/errors.ts'
import type { Call, BreakerOptions } from '../../machines/breaker-options.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Letter, LetterDraft } from '../../ports/dead-letters.ts'
import type { Decision, Limiter } from '../../ports/limiter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { type DeadLetters, deadLetterQueue } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { SafeCall } from '../../streams/safe-call/safe-call.ts'
import type { SafeCallOptions } from '../../streams/safe-call/safe-call-options.ts'
import { hostileNames, hostileValue } from '../hostile-values.ts'
import { seededRandom } from '../seeded-random.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'

/** An instance with `safeCall`, and how to make one: `createSwitchgear`. */
export interface SafeCallInstance {
  readonly safeCall: SafeCall
  breaker(name: string): { run(work: () => Promise<unknown>): Promise<unknown> }
  ready(): Promise<void>
  close(options: { readonly deadlineMs: number }): Promise<void>
}

export type MakeSafeCallInstance = (options: {
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limiter: Limiter
  readonly deadLetters: DeadLetters
  readonly breakers: Readonly<Record<string, BreakerOptions>>
}) => SafeCallInstance

const does = [
  'give',
  'throw',
  'reject',
  'callBackTwice',
  'throwingThen',
  'oddConstructor',
  'neverSettle',
  'silentThen',
] as const

/** What one attempt does, after `tookMs`, with which of the hostile values. */
export interface Deed {
  readonly does: (typeof does)[number]
  readonly tookMs: number
  readonly value: string
}

/** How something that was handed in behaves: as it should, or in one of the ways it should not. */
export type Manner = 'sound' | 'throws' | 'rejects' | 'givesNull' | 'givesProxy'

export const faults: readonly Manner[] = ['throws', 'rejects', 'givesNull', 'givesProxy']

/** One call, as plain data. What is `none` was not handed in. */
export interface SafeCallScenario {
  readonly seed: number
  readonly deeds: readonly Deed[]
  readonly maxAttempts: number
  readonly timeoutMs: number | 'none'
  readonly deadlineMs: number | 'none'
  readonly failureThreshold: number
  readonly breakerIsOpen: boolean
  readonly abortAtMs: number | 'none'
  readonly limit: 'none' | 'refuses' | 'unknownName' | Manner
  readonly describer: 'none' | 'namesNobody' | Manner
  readonly store: Manner
  readonly fallback: 'none' | Manner
  readonly classifier: 'none' | Manner
  readonly onRetry: 'none' | Manner
  readonly logger: Manner
}

const manner = fc.constantFrom<Manner>('sound', ...faults)
const mostly = <T>(usual: T, others: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: others })

export const safeCallScenarios: fc.Arbitrary<SafeCallScenario> = fc
  .record<SafeCallScenario>({
    seed: fc.nat(),
    deeds: fc.array(
      fc.record({
        does: fc.constantFrom(...does),
        tookMs: fc.nat(2_000),
        value: fc.constantFrom(...hostileNames),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    timeoutMs: mostly<number | 'none'>('none', fc.integer({ min: 1, max: 3_000 })),
    deadlineMs: mostly<number | 'none'>('none', fc.integer({ min: 1, max: 8_000 })),
    failureThreshold: fc.integer({ min: 1, max: 5 }),
    breakerIsOpen: mostly(false, fc.boolean()),
    abortAtMs: mostly<number | 'none'>('none', fc.nat(4_000)),
    limit: mostly<SafeCallScenario['limit']>(
      'none',
      fc.oneof(manner, fc.constantFrom('refuses' as const, 'unknownName' as const)),
    ),
    describer: fc.oneof(manner, fc.constantFrom('sound' as const, 'none' as const, 'namesNobody' as const)),
    store: mostly<Manner>('sound', manner),
    fallback: mostly<SafeCallScenario['fallback']>('none', manner),
    classifier: mostly<SafeCallScenario['classifier']>('none', manner),
    onRetry: mostly<SafeCallScenario['onRetry']>('none', manner),
    logger: manner,
  })
  .map(endingSometime)

/** Work that never settles ends by a timeout, a deadline or the caller; where there is none, it fails instead. */
function endingSometime(scenario: SafeCallScenario): SafeCallScenario {
  const { timeoutMs, deadlineMs, abortAtMs, deeds } = scenario
  if (timeoutMs !== 'none' || deadlineMs !== 'none' || abortAtMs !== 'none') return scenario
  const isEndless = (deed: Deed): boolean => deed.does === 'neverSettle' || deed.does === 'silentThen'
  return { ...scenario, deeds: deeds.map((deed) => (isEndless(deed) ? { ...deed, does: 'reject' } : deed)) }
}

/** What came of a call. */
export interface Played {
  /** What it threw at once, or rejected with. */
  readonly fault: { readonly thrown: unknown } | undefined
  readonly outcome: Outcome<unknown> | undefined
  /** How often the work was called, until the outcome and until long after it. */
  readonly calls: number
  readonly callsInAll: number
  readonly letters: readonly Letter[]
  /** Listeners that were left on the caller's signal. */
  readonly listeners: number
}

/** Plays a call on a new instance and a virtual clock, and lets everything that is late happen. */
export async function playSafeCall(make: MakeSafeCallInstance, scenario: SafeCallScenario): Promise<Played> {
  const clock = virtualClock()
  const chance = { clock, random: seededRandom(scenario.seed + 1) }
  const store = deadLetterQueue(memoryLetters({ clock }), { ...chance, sweepEveryMs: 0 })
  const instance = make({
    instance: 'law',
    clock,
    random: seededRandom(scenario.seed),
    logger: loggerOf(scenario.logger),
    limiter: limiterOf(scenario.limit),
    deadLetters: storeOf(scenario.store, store),
    breakers: { law: { failureThreshold: scenario.failureThreshold } },
  })
  await clock.runUntil(instance.ready())
  if (scenario.breakerIsOpen) await tripBy(instance, scenario.failureThreshold)
  const caller = new AbortController()
  if (scenario.abortAtMs !== 'none') clock.setTimeout(() => caller.abort(), scenario.abortAtMs)
  let calls = 0
  const work = (call: Call): unknown => {
    calls += 1
    return doDeed(scenario.deeds[Math.min(calls, scenario.deeds.length) - 1], clock, call)
  }
  const ended = await endOf(clock, () => instance.safeCall(optionsOf(scenario, caller.signal), work))
  const callsThen = calls
  // Timers that are due in this same millisecond, but not yet.
  await clock.advanceBy(1)
  const listeners = getEventListeners(caller.signal, 'abort').length
  await clock.advanceBy(120_000)
  await clock.runUntil(instance.close({ deadlineMs: 1 }))
  return { ...ended, calls: callsThen, callsInAll: calls, listeners, letters: (await store.list()).items }
}

async function endOf(
  clock: VirtualClock,
  begin: () => Promise<Outcome<unknown>>,
): Promise<Pick<Played, 'fault' | 'outcome'>> {
  try {
    return { fault: undefined, outcome: await clock.runUntil(begin()) }
  } catch (thrown) {
    return { fault: { thrown }, outcome: undefined }
  }
}

async function tripBy(instance: SafeCallInstance, failures: number): Promise<void> {
  const failing = (): Promise<unknown> => instance.breaker('law').run(() => Promise.reject(new Error('down')))
  for (let i = 0; i < failures; i++) await failing().catch(() => {})
}

function optionsOf(scenario: SafeCallScenario, signal: AbortSignal): SafeCallOptions<unknown> {
  const { maxAttempts, deadlineMs, timeoutMs, limit, describer, fallback, classifier, onRetry } = scenario
  const draft: LetterDraft = {
    organization: 'acme',
    channel: 'law',
    messageId: 'm',
    payload: hostileValue(scenario.deeds[0]?.value ?? ''),
    error: undefined,
  }
  const describe =
    describer === 'namesNobody' ? () => ({ ...draft, organization: '' }) : behaving(describer, () => draft)
  return {
    breaker: 'law',
    retry: {
      maxAttempts,
      ...(deadlineMs !== 'none' && { deadlineMs }),
      ...(classifier !== 'none' && { classify: behaving<ReturnType<Classify>>(classifier, () => undefined) }),
      ...(onRetry !== 'none' && { onRetry: behaving(onRetry, () => undefined) }),
    },
    ...(timeoutMs !== 'none' && { timeoutMs }),
    ...(limit !== 'none' && { limit: { key: 'acme', names: 'law' } }),
    ...(describer !== 'none' && { deadLetter: describe }),
    ...(fallback !== 'none' && { fallback: behaving<unknown>(fallback, () => 'fallback') }),
    ...(scenario.abortAtMs !== 'none' && { signal }),
  }
}

/** A function that does what it should, or does not. */
function behaving<T>(how: Manner | 'none' | 'namesNobody', sound: () => T): () => T {
  const odd = {
    throws: (): never => {
      throw new Error('hostile')
    },
    rejects: () => Promise.reject(new Error('hostile')) as T,
    givesNull: () => null as T,
    givesProxy: () => hostileValue('a proxy that throws') as T,
  }
  return how === 'sound' || how === 'none' || how === 'namesNobody' ? sound : odd[how]
}

function loggerOf(how: Manner): Logger {
  const log = behaving<undefined>(how, () => undefined)
  return { info: log, warn: log, error: log }
}

function limiterOf(how: SafeCallScenario['limit']): Limiter {
  const decision: Decision = {
    allowed: how !== 'refuses',
    degraded: false,
    retryAfterMs: how === 'refuses' ? 100 : 0,
    limits: [],
    headers: () => ({}),
  }
  const unknown = (): Promise<Decision> => Promise.reject(new ConfigError('names', 'there is no such limit'))
  const decide = async (): Promise<Decision> => decision
  const check = how === 'unknownName' ? unknown : how === 'none' || how === 'refuses' ? decide : behaving(how, decide)
  const refund = behaving(how === 'sound' ? 'rejects' : 'throws', async () => {})
  return { ...memoryLimiter(), check, peek: check, refund }
}

function storeOf(how: Manner, store: DeadLetters): DeadLetters {
  return {
    ...store,
    enqueue: how === 'sound' ? (draft) => store.enqueue(draft) : behaving(how, () => store.enqueue(nothing)),
  }
}

const nothing: LetterDraft = { organization: '', channel: '', messageId: '', payload: 0, error: 0 }

function doDeed(deed: Deed | undefined, clock: Clock, call: Call): unknown {
  if (deed === undefined) return undefined
  const value = hostileValue(deed.value)
  const after = <T>(then: () => T): Promise<T> =>
    (deed.tookMs === 0 ? Promise.resolve() : clock.sleep(deed.tookMs)).then(then)
  const fails = (): never => {
    throw value
  }
  switch (deed.does) {
    case 'give':
      return after(() => value)
    case 'throw':
      return fails()
    case 'reject':
      return after(() => Promise.reject(value))
    case 'callBackTwice':
      return thenable(() => (give, fail) => void after(() => [give(1), fail(value), give(2)]))
    case 'throwingThen':
      return thenable(fails)
    case 'oddConstructor':
      return Object.defineProperty(
        after(() => 1),
        'constructor',
        { get: fails },
      )
    case 'silentThen':
      return thenable(() => () => call.signal)
    case 'neverSettle':
      return new Promise<never>(() => {})
  }
}

type Then = (give: (value: unknown) => void, fail: (error: unknown) => void) => unknown

/** An object that is taken for a promise, as `then` is read. */
function thenable(then: () => Then): object {
  return Object.defineProperty({}, thenKey, { get: then })
}

const thenKey = 'then'
