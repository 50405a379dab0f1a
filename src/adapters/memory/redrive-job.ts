import type { RedriveJob, RedriveOutcome, RedrivePlan } from '../../ports/redrive-jobs.ts'

/** A letter in somebody's hands. */
export interface Turn {
  readonly letterId: string
  readonly endsAt: number
}

/** Times are monotonic, except those that the plan has and `pausedUntilAt`. */
export interface Job {
  readonly plan: RedrivePlan
  state: 'running' | 'done' | 'cancelled'
  total: number
  fed: number
  fedAll: boolean
  cursor: string | undefined
  pause: { readonly endsAt: number; readonly untilAt: number } | undefined
  readonly counts: Record<RedriveOutcome, number>
  /** To be taken again from an instant on: as they were given back until one is looked for, then earliest first. */
  readonly givenBack: { readonly letterId: string; readonly fromAt: number }[]
  isEarliestFirst: boolean
  /** Those that nobody has had. */
  readonly waiting: string[]
  readonly turns: Map<string, Turn>
  /** Names the next turn. */
  turnsSoFar: number
  nextSlotAt: number
  changedAt: number
}

export function newJob(plan: RedrivePlan, now: number): Job {
  return {
    plan,
    state: 'running',
    total: plan.total,
    fed: 0,
    fedAll: false,
    cursor: undefined,
    pause: undefined,
    counts: { delivered: 0, failed: 0, parked: 0, skipped: 0 },
    givenBack: [],
    isEarliestFirst: false,
    waiting: [],
    turns: new Map(),
    turnsSoFar: 0,
    nextSlotAt: now,
    changedAt: now,
  }
}

export function doneOf({ counts }: Job): number {
  return counts.delivered + counts.failed + counts.parked + counts.skipped
}

export function pauseOf({ state, pause }: Job, now: number): Job['pause'] {
  return state === 'running' && pause !== undefined && pause.endsAt > now ? pause : undefined
}

/** The job as the port shows it. */
export function seenJob(job: Job, now: number): RedriveJob {
  const { plan, total, fed, fedAll, cursor, counts } = job
  const pause = pauseOf(job, now)
  return {
    ...plan,
    total,
    fed,
    fedAll,
    ...(cursor === undefined ? {} : { cursor }),
    state: pause === undefined ? job.state : 'paused',
    ...(pause === undefined ? {} : { pausedUntilAt: pause.untilAt }),
    done: doneOf(job),
    ...counts,
  }
}
