import { Observable } from 'rxjs'
import { ConfigError } from '../../kernel/errors.ts'
import { durationMsMax, shown } from '../../kernel/options.ts'
import type { RedriveJob, RedriveWork, Taken } from '../../ports/redrive-jobs.ts'
import type { RedriveEvent } from './redrive-events.ts'
import { feedJob } from './redrive-feed.ts'
import { keepLeases, leaseMs } from './redrive-leases.ts'
import { limitedForMs, pauseForRefused, sawPause, wereAllRefused } from './redrive-pause.ts'
import {
  cancel,
  halt,
  newRun,
  type RedriveRun,
  type RedriveTurn,
  rest,
  type WorkerParts,
  type WorkerPlan,
} from './redrive-run.ts'
import { handleTurn } from './redrive-turn.ts'

/** How far ahead of their time letters are taken where there is a rate: so little is late when their worker dies. */
const aheadMs = 1_000
/** How often to ask whether others have left something, or an operator has changed something. */
const pollMs = 500
/** How soon at the earliest: the clock of the store may be behind ours. */
const pollMsMin = 100
/** After so many letters that breakers refused, one after the other, a rest, in ms. */
const refusalsMax = 100
const refusedMs = 1_000
/** How long calls under way may take to end when the work is called off. */
const graceMs = 1_000

/**
 * Works on a job, from subscription on, until all its letters are settled, by whomever, or it is cancelled. An abort of a
 * signal completes it, unsubscribing ends it: what it holds is given back, and what is just being sent is settled once that
 * is known, or left to its lease. Errors only when it cannot go on; an outage of the store is waited for.
 */
export function redriveWorker(parts: WorkerParts, jobId: string, plan: WorkerPlan): Observable<RedriveEvent> {
  return new Observable((subscriber) => {
    const run = newRun(parts, jobId, plan, (event) => subscriber.next(event))
    subscriber.add(plan.calledOff$.subscribe(() => halt(run)))
    subscriber.add(() => halt(run))
    workInPlace(run, () => subscriber.closed).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
  })
}

async function workInPlace(run: RedriveRun, unsubscribed: () => boolean): Promise<void> {
  const { places } = run.plan
  run.isIn = await places.enter(run.halting.signal)
  if (!run.isIn) return
  try {
    await work(run, unsubscribed)
  } finally {
    if (run.isIn) places.leave()
  }
}

async function work(run: RedriveRun, unsubscribed: () => boolean): Promise<void> {
  const leases = keepLeases(run)
  try {
    const job = await run.ask(() => run.store.jobs.get(run.jobId))
    if (job === undefined) throw new ConfigError('jobId', `there is no redrive ${shown(run.jobId)}`)
    run.progress = { done: job.done, total: job.total }
    await takeUntilOver(run, job, leases.keep)
  } catch (error) {
    if (!run.halting.signal.aborted) run.failure ??= { error }
    halt(run)
  }
  if (run.halting.signal.aborted) leases.stop()
  await letGo(run, unsubscribed)
  leases.stop()
  if (run.failure !== undefined) throw run.failure.error
}

async function takeUntilOver(
  run: RedriveRun,
  { ratePerSecond, maxRedrives }: RedriveJob,
  keep: () => void,
): Promise<void> {
  const { store, jobId, plan } = run
  const isOver = (): boolean => run.halting.signal.aborted || run.cancelled
  const mostAtOnce = ratePerSecond === undefined ? Infinity : Math.ceil((ratePerSecond * aheadMs) / 1_000)
  while (!isOver()) {
    const count = Math.min(mostAtOnce, plan.concurrency - run.turns.size)
    const waitMs = count > 0 ? tooEarlyMs(run) : leaseMs
    if (waitMs > 0) {
      await rest(run, Math.min(durationMsMax, waitMs))
      continue
    }
    const limitedMs = limitedForMs(run)
    if (limitedMs > 0) {
      await restIdle(run, Math.min(pollMs, limitedMs))
      continue
    }
    if (run.refusedUnrested >= refusalsMax) {
      await restFromRefusals(run)
      continue
    }
    if (wereAllRefused(run)) await pauseForRefused(run)
    const taken = await run.ask(() => store.jobs.take(jobId, { by: plan.by, count, leaseMs }))
    if (taken === undefined) return
    tellSkipped(run, taken)
    for (const one of taken.work) begin(run, one, maxRedrives)
    keep()
    if (taken.job.state === 'done') return
    if (taken.job.state === 'cancelled') cancel(run)
    if (isOver()) return
    await wait(run, taken)
  }
}

/** Letters behind breakers that stay open are gone through, for others may be among them, but not as fast as can be. */
async function restFromRefusals(run: RedriveRun): Promise<void> {
  run.refusedUnrested = 0
  await run.clock.sleep(refusedMs, { signal: run.halting.signal }).catch(() => {})
  await letOthersIn(run)
}

async function restIdle(run: RedriveRun, ms: number): Promise<void> {
  await rest(run, ms)
  await letOthersIn(run)
}

/** A job that has nothing to do at the moment gives its place to the one that has waited longest. */
async function letOthersIn(run: RedriveRun): Promise<void> {
  const { turns, plan, halting } = run
  if (turns.size > 0) return
  plan.places.leave()
  run.isIn = await plan.places.enter(halting.signal)
}

/** How long what is in hand is not due yet, beyond what is taken ahead. */
function tooEarlyMs(run: RedriveRun): number {
  const latestAt = Math.max(0, ...[...run.turns.values()].map(({ dueAt }) => dueAt))
  return latestAt - run.clock.monotonic() - aheadMs
}

/** What there is to do before the next letters can be taken. */
async function wait(run: RedriveRun, { job, work, skipped }: Taken): Promise<void> {
  if (job.pausedUntilAt !== undefined) {
    sawPause(run, job.pausedUntilAt)
    await restIdle(run, Math.min(pollMs, Math.max(pollMsMin, job.pausedUntilAt - run.clock.now())))
  } else if (work.length + skipped.length === 0) {
    if (!job.fedAll) await run.ask(() => feedJob(run.store, job))
    else if (run.turns.size > 0 || !(await pauseForRefused(run))) await restIdle(run, pollMs)
  }
}

function begin(run: RedriveRun, { turn: name, letter, dueInMs }: RedriveWork, maxRedrives: number): void {
  const dueAt = run.clock.monotonic() + dueInMs
  const turn: RedriveTurn = { name, letter, dueAt, off: new AbortController(), sending: false, lost: false }
  run.turns.set(name, turn)
  // Halted while they were being taken: they are given back.
  if (run.halting.signal.aborted) turn.off.abort()
  void handleTurn(run, turn, maxRedrives)
}

function tellSkipped(run: RedriveRun, { job, skipped }: Taken): void {
  const { done, total } = job
  run.progress = { done, total }
  for (const [index, letterId] of skipped.entries())
    run.emit({ jobId: run.jobId, letterId, status: 'skipped', done: done - (skipped.length - 1 - index), total })
}

/** Waits for what is in hand to be settled or given back: for as long as it takes, or for a moment once it is halted. */
async function letGo(run: RedriveRun, unsubscribed: () => boolean): Promise<void> {
  const startedAt = run.clock.monotonic()
  const endAt = (): number => (run.halting.signal.aborted ? startedAt + graceMs : Infinity)
  while (run.turns.size > 0 && !unsubscribed() && run.clock.monotonic() < endAt())
    await rest(run, Math.min(leaseMs, endAt() - run.clock.monotonic()))
}
