import { systemClock, type Redrive, type Redrives } from '../index.ts'
import { readableDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { printable, shellWord } from './printable.ts'
import type { Stores } from './store-command.ts'

const lookEveryMs = 500
/** How long nothing may happen to a job before it is said what that may be. */
const idleMs = 15_000

/**
 * Shows jobs as they go on until all are over, or until SIGINT or SIGTERM, which ends the watching and not the jobs. The
 * exit code says whether all letters were delivered.
 */
export async function followRedrives(stores: Stores, redrives: Redrives, ids: readonly string[]): Promise<ExitCode> {
  const told = untilTold()
  try {
    return (await follow(stores, redrives, ids, told.signal)) ?? left(ids)
  } finally {
    told.end()
  }
}

/** `undefined` when it is told to end before they are over. */
async function follow(
  stores: Stores,
  redrives: Redrives,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ExitCode | undefined> {
  const shown = new Map<string, string>()
  let changedAt = performance.now()
  while (!signal.aborted) {
    const jobs: Redrive[] = []
    for (const id of ids) {
      const job = await redrives.get(id)
      if (job === undefined) return noSuchJob(stores, id)
      jobs.push(job)
      const key = JSON.stringify(progressOf(job))
      if (shown.get(id) === key) continue
      shown.set(id, key)
      changedAt = performance.now()
      showRedrive(stores, job)
    }
    if (jobs.every(isOver)) return jobs.every(isDelivered) ? exitCodes.fine : exitCodes.notAll
    if (performance.now() - changedAt > idleMs && jobs.some(({ state }) => state === 'running')) {
      changedAt = Infinity
      note('nothing happens to it: it needs a service of this fleet that works on redrives')
    }
    await systemClock.sleep(lookEveryMs, { signal }).catch(() => {})
  }
  return undefined
}

function left(ids: readonly string[]): ExitCode {
  for (const id of ids) note(`job ${id} goes on; \`switchgear dlq redrive --job ${shellWord(id)}\` watches it`)
  return exitCodes.fine
}

/** Beside what is printed, for who looks on. */
function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

export function isOver({ state }: Redrive): boolean {
  return state === 'done' || state === 'cancelled'
}

function isDelivered({ state, failed, parked }: Redrive): boolean {
  return state === 'done' && failed + parked === 0
}

/** A job without the letters that it is about, of which there may be many. */
export function progressOf({ of: _letters, ...job }: Redrive): Omit<Redrive, 'of'> {
  return job
}

export function showRedrive({ screen }: Stores, job: Redrive): void {
  if (screen.json) return screen.printJson(progressOf(job))
  const { id, done, total, delivered, failed, parked, skipped } = job
  const outcomes = `${delivered} delivered, ${failed} failed, ${parked} parked, ${skipped} skipped`
  screen.print(`job ${printable(id)} ${standing(job)}: ${done} of ${total} done (${outcomes})`)
}

function standing({ state, pausedUntilAt }: Redrive): string {
  if (state !== 'paused') return state === 'running' ? 'is running' : `is ${state}`
  const forMs = (pausedUntilAt ?? Date.now()) - Date.now()
  return `is paused for ${readableDuration(Math.max(0, forMs))}, since a breaker is open`
}

export function noSuchJob({ fleet, screen }: Stores, id: string): ExitCode {
  if (screen.json) screen.printJson(null)
  else screen.print(`fleet "${fleet}" has no redrive "${printable(id)}"; a redrive is kept for a day after its end`)
  return exitCodes.nothingThere
}

function untilTold(): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.once(name, abort)
  return {
    signal: controller.signal,
    end() {
      for (const name of signals) process.removeListener(name, abort)
    },
  }
}
