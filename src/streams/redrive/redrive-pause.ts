import type { RedriveRun, RedriveTurn } from './redrive-run.ts'
import type { Sent } from './redrive-send.ts'

/**
 * Bounds of one pause of a job, in ms: not so short that everybody asks all the time while a probe is under way, and not so
 * long that an operator who closes the breaker waits for it.
 */
const pauseMs = { min: 250, max: 30_000 }
/** How long a worker takes nothing for a limit that all are under: so soon it hears that its job was cancelled. */
const limitedMsMax = 5_000
/** Pauses that end so near to each other are the same. */
const sameMs = 1_000

/**
 * A breaker refused a letter. Where all go through the same one, the job is paused; else the letter is given back for as
 * long, and the others are not to wait for it.
 */
export async function refuse(run: RedriveRun, turn: RedriveTurn, retryAfterMs: number): Promise<void> {
  const isOfAll = typeof run.plan.through !== 'function'
  if (isOfAll) await pauseJob(run, retryAfterMs)
  else run.refusedUntil = Math.min(run.refusedUntil ?? Infinity, run.clock.monotonic() + retryAfterMs)
  await run.ask(() => run.store.jobs.giveBack(run.jobId, turn.name, isOfAll ? 0 : bounded(retryAfterMs)))
}

/**
 * A limit refused a letter: it is given back for as long, and the others are not to wait for it. Where all are under the
 * same one, this worker takes none for a while.
 */
export async function setAside(run: RedriveRun, turn: RedriveTurn, retryAfterMs: number): Promise<void> {
  const isOfAll = isLimitOfAll(run)
  const forMs = isOfAll ? Math.min(limitedMsMax, retryAfterMs) : bounded(retryAfterMs)
  run.limitedUntil = Math.max(run.limitedUntil, run.clock.monotonic() + forMs)
  await run.ask(() => run.store.jobs.giveBack(run.jobId, turn.name, isOfAll ? 0 : forMs))
}

/** How long no letter will pass the limit that all are under. */
export function limitedForMs(run: RedriveRun): number {
  return isLimitOfAll(run) ? Math.max(0, run.limitedUntil - run.clock.monotonic()) : 0
}

function isLimitOfAll({ plan: { limit } }: RedriveRun): boolean {
  return limit?.key === undefined && typeof limit?.names !== 'function'
}

export function countRefusals(run: RedriveRun, { status }: Sent): void {
  run.refusedInARow = status === 'breakerOpen' ? run.refusedInARow + 1 : 0
  run.refusedUnrested = status === 'breakerOpen' || status === 'limited' ? run.refusedUnrested + 1 : 0
}

/** Whether every letter that is left was refused, one after the other: each has its turn before any has another. */
export function wereAllRefused({ refusedInARow, progress: { done, total }, turns }: RedriveRun): boolean {
  return refusedInARow >= Math.max(1, total - done) && ![...turns.values()].some(({ sending }) => sending)
}

/** Nothing is left but letters that were refused: says whether there are any. */
export async function pauseForRefused(run: RedriveRun): Promise<boolean> {
  const { refusedUntil, limitedUntil, clock } = run
  // What waits for a limit comes by itself when it is its time.
  if (refusedUntil === undefined || clock.monotonic() < limitedUntil) return false
  run.refusedUntil = undefined
  run.refusedInARow = 0
  await pauseJob(run, Math.max(0, refusedUntil - clock.monotonic()))
  return true
}

/** Nobody takes letters of the job for a while. It is told of once, until it is prolonged. */
async function pauseJob(run: RedriveRun, retryAfterMs: number): Promise<void> {
  const untilAt = run.clock.now() + retryAfterMs
  const { toldPauseUntil } = run
  // 0: a probe is just under way, and what comes of it is known in a moment.
  if (retryAfterMs > 0 && (toldPauseUntil === undefined || untilAt > toldPauseUntil + sameMs)) tell(run, untilAt)
  await run.ask(() => run.store.jobs.pause(run.jobId, bounded(retryAfterMs)))
}

function bounded(retryAfterMs: number): number {
  return Math.min(pauseMs.max, Math.max(pauseMs.min, retryAfterMs))
}

/** The job is paused, whoever did that. */
export function sawPause(run: RedriveRun, untilAt: number): void {
  if (run.toldPauseUntil === undefined && untilAt - run.clock.now() > pauseMs.min) tell(run, untilAt)
}

function tell(run: RedriveRun, untilAt: number): void {
  run.toldPauseUntil = untilAt
  run.emit({ jobId: run.jobId, status: 'paused', untilAt, ...run.progress })
}
