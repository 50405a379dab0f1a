import type { Timer } from '../../ports/clock.ts'
import { cancel, type RedriveRun, wake } from './redrive-run.ts'

/** How long letters are this worker's without a word from it. */
export const leaseMs = 10_000
const renewEveryMs = leaseMs / 3

/** Prolongs the leases of what is in the worker's hands, from the first letter on, and hears whether the job was cancelled. */
export function keepLeases(run: RedriveRun): { keep(): void; stop(): void } {
  let timer: Timer | undefined
  let stopped = false

  const keep = (): void => {
    if (timer !== undefined || stopped || run.turns.size === 0) return
    timer = run.clock.setTimeout(() => void renewAndGoOn(), renewEveryMs)
  }

  const renewAndGoOn = async (): Promise<void> => {
    await renew(run)
    timer = undefined
    keep()
  }

  return {
    keep,
    stop() {
      stopped = true
      if (timer !== undefined) run.clock.clearTimeout(timer)
    },
  }
}

/** Never rejects: what is not renewed now is the next time, if the lease lasts so long. */
async function renew(run: RedriveRun): Promise<void> {
  const { turns, jobId, logger } = run
  const names = [...turns.keys()]
  try {
    const held = new Set(await run.store.jobs.renew(jobId, names, leaseMs))
    for (const name of names) if (!held.has(name)) lose(run, name)
    if ((await run.store.jobs.get(jobId))?.state === 'cancelled') cancel(run)
  } catch (error) {
    logger.warn({ err: error, jobId }, 'the leases of a redrive could not be renewed')
  }
}

/** Somebody else may have the letter: whoever sends it here is told to stop, and its outcome counts no more. */
function lose(run: RedriveRun, name: string): void {
  const turn = run.turns.get(name)
  if (turn === undefined) return
  turn.lost = true
  run.turns.delete(name)
  turn.off.abort()
  wake(run)
}
