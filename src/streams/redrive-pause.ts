import type { RedriveRun } from './redrive-run.ts'

/**
 * Bounds of one pause of a job, in ms: not so short that everybody asks all the time while a probe is under way, and not so
 * long that an operator who closes the breaker waits for it.
 */
const pauseMs = { min: 250, max: 30_000 }
/** Pauses that end so near to each other are the same. */
const sameMs = 1_000

/** A breaker refused: nobody takes letters of the job for a while. It is told of once, until it is prolonged. */
export async function pauseJob(run: RedriveRun, retryAfterMs: number): Promise<void> {
  const untilAt = run.clock.now() + retryAfterMs
  const { toldPauseUntil } = run
  // 0: a probe is just under way, and what comes of it is known in a moment.
  if (retryAfterMs > 0 && (toldPauseUntil === undefined || untilAt > toldPauseUntil + sameMs)) tell(run, untilAt)
  const forMs = Math.min(pauseMs.max, Math.max(pauseMs.min, retryAfterMs))
  await run.ask(() => run.store.jobs.pause(run.jobId, forMs))
}

/** The job is paused, whoever did that. */
export function sawPause(run: RedriveRun, untilAt: number): void {
  if (run.toldPauseUntil === undefined && untilAt - run.clock.now() > pauseMs.min) tell(run, untilAt)
}

function tell(run: RedriveRun, untilAt: number): void {
  run.toldPauseUntil = untilAt
  run.emit({ jobId: run.jobId, status: 'paused', untilAt, ...run.progress })
}
