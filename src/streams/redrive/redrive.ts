import { defer, from, map, mergeMap, Observable, share, takeUntil, EMPTY } from 'rxjs'
import { ulid } from 'ulid'
import { parseOptions } from '../../kernel/options.ts'
import { checkName } from '../../kernel/names.ts'
import type { RedriveJob } from '../../ports/redrive-jobs.ts'
import { checkLettersGiven, type LettersGiven } from '../dead-letters/dead-letter-queue-changing.ts'
import type { RedriveEvent } from './redrive-events.ts'
import {
  concurrencyDefault,
  type RedriveBounds,
  redriveBoundsSchema,
  type RedriveOptions,
  redriveSchema,
  type RedriveWorkOptions,
  redriveWorkSchema,
} from './redrive-options.ts'
import { places } from './redrive-places.ts'
import type { WorkerPlan } from './redrive-run.ts'
import { startRedrive, type StartParts } from './redrive-start.ts'
import { redriveWorker } from './redrive-worker.ts'
import { planRetry } from '../retry/retry-policy.ts'

/** A redrive that outlives its starter, as it stands. It is forgotten a day after its last change. */
export type Redrive = Omit<RedriveJob, 'cursor' | 'fed' | 'fedAll'>

/** Redrives as jobs: started by one, worked on by several, one after the other or at the same time, in any process. */
export interface Redrives {
  /**
   * Starts a redrive of letters by their ids or of those that a filter finds now: a job for each organization that has any.
   * A filter passes over parked letters unless it says `parked: true`. Nothing is sent until somebody works on it.
   * @throws ConfigError, UnavailableError
   */
  start(letters: LettersGiven, options?: RedriveBounds): Promise<readonly Redrive[]>
  /**
   * Works on a job, from subscription on: see `DeadLetters.redrive`. Completes when the job is done, also by others, or
   * cancelled; errors with `ConfigError` when there is none. @throws ConfigError
   */
  work(jobId: string, options: RedriveWorkOptions): Observable<RedriveEvent>
  get(jobId: string): Promise<Redrive | undefined>
  /** Those of an organization, newest first, at most 100; with `underWay`, of those that are running or paused. */
  list(organization: string, which?: { readonly underWay?: boolean | undefined }): Promise<readonly Redrive[]>
  /** Ends a job: what is just being sent is still settled, the rest stays as it is. Says whether it was under way. */
  cancel(jobId: string): Promise<boolean>
}

/** @throws ConfigError */
export function redrives(parts: StartParts): Redrives {
  const { store } = parts
  return {
    async start(letters, options = {}) {
      const [of, bounds] = [checkLettersGiven(letters), parseOptions(redriveBoundsSchema, options, 'redrive')]
      return (await startRedrive(parts, of, bounds)).map(seen)
    },
    work(jobId, options) {
      const given = parseOptions(redriveWorkSchema, options, 'redrive')
      return redriveWorker(parts, jobId, planOf(parts, given))
    },
    async get(jobId) {
      const job = await store.jobs.get(jobId)
      return job && seen(job)
    },
    async list(organization, { underWay = false } = {}) {
      return (await store.jobs.list(checkName(organization, 'organization'), { underWay })).map(seen)
    },
    cancel: (jobId) => store.jobs.cancel(jobId),
  }
}

/** Starts jobs and works on all of them. @throws ConfigError */
export function redriveNow(
  parts: StartParts,
  letters: LettersGiven,
  options: RedriveOptions,
): Observable<RedriveEvent> {
  const of = checkLettersGiven(letters)
  const given = parseOptions(redriveSchema, options, 'redrive')
  const { ratePerSecond, max, maxRedrives, ...how } = given
  const plan = planOf(parts, how)
  return defer(() => {
    if (signalsOf(how).some(({ aborted }) => aborted)) return EMPTY
    return from(startRedrive(parts, of, { ratePerSecond, max, maxRedrives })).pipe(
      takeUntil(plan.calledOff$),
      mergeMap((jobs) => workOnAll(parts, jobs, plan, ratePerSecond)),
    )
  })
}

/**
 * All jobs as one: no more letters at the same time and no more in a second than for one, progress is of all together. They
 * take turns where there are many, so that none waits for one that waits for its breaker.
 */
function workOnAll(
  parts: StartParts,
  jobs: readonly RedriveJob[],
  plan: WorkerPlan,
  ratePerSecond: number | undefined,
): Observable<RedriveEvent> {
  const atOnce = Math.max(1, Math.min(jobs.length, plan.concurrency))
  const concurrency = Math.max(1, Math.floor(plan.concurrency / atOnce))
  const slotInMs = jobs.length > 1 && ratePerSecond !== undefined ? slots(parts, ratePerSecond) : plan.slotInMs
  const ofEach = { ...plan, concurrency, slotInMs, places: places(atOnce) }
  const progress = new Map(jobs.map(({ id, done, total }) => [id, { done, total }]))
  return from(jobs).pipe(
    mergeMap(({ id }) => redriveWorker(parts, id, ofEach)),
    map((event) => {
      progress.set(event.jobId, event)
      const all = [...progress.values()]
      const done = all.reduce((sum, job) => sum + job.done, 0)
      return { ...event, done, total: all.reduce((sum, job) => sum + job.total, 0) }
    }),
  )
}

/** Every asking takes the next slot. */
function slots({ clock }: StartParts, ratePerSecond: number): () => number {
  let nextAt = 0
  return () => {
    const now = clock.monotonic()
    const at = Math.max(now, nextAt)
    nextAt = at + 1_000 / ratePerSecond
    return at - now
  }
}

function planOf(parts: StartParts, given: RedriveWorkOptions): WorkerPlan {
  const { to, through, retry = { maxAttempts: 1 }, limit, concurrency = concurrencyDefault } = given
  const { clock, random, logger } = parts
  return {
    to,
    through,
    limit,
    retry: planRetry(retry, { clock, random }, 'redrive.retry'),
    logger,
    by: ulid(Math.max(0, Math.floor(clock.now())), () => random.next()),
    concurrency,
    calledOff$: abortOf(signalsOf(given)),
    places: places(Infinity),
    slotInMs: () => 0,
  }
}

function signalsOf({ signal, retry }: RedriveWorkOptions): readonly AbortSignal[] {
  return [signal, retry?.signal].filter((each) => each !== undefined)
}

/** One listener for all: many would make Node warn of a leak. */
function abortOf(signals: readonly AbortSignal[]): Observable<void> {
  const abort$ = new Observable<void>((subscriber) => {
    const abort = (): void => {
      subscriber.next()
      subscriber.complete()
    }
    for (const signal of signals) signal.addEventListener('abort', abort)
    if (signals.some(({ aborted }) => aborted)) abort()
    return () => {
      for (const signal of signals) signal.removeEventListener('abort', abort)
    }
  })
  return abort$.pipe(share())
}

function seen({ cursor: _cursor, fed: _fed, fedAll: _fedAll, ...job }: RedriveJob): Redrive {
  return job
}
