import { setMaxListeners } from 'node:events'
import {
  type DeadLetters,
  type LettersGiven,
  type Logger,
  type Redrive,
  type RedriveBounds,
  type RedriveEvent,
  UnavailableError,
} from 'switchgear'
import { regularly } from '../delivery/regularly.ts'
import type { Resender } from './resender.ts'

/** Jobs that one instance works on at the same time, and letters of each. */
const jobsMax = 16
const lettersAtOnce = 8
/** Jobs of one organization, where that leaves so many places; else it has one, so that it holds up no other. */
const jobsOfEachMax = 4
const leftForOthers = 8
/** Fewer letters a second than that are next to no work: such jobs have places of their own, which are more. */
const slowBelow = 1
const slowJobsMax = 256

/** How often jobs are looked for that others have started, or left behind, in ms; sooner where that failed. */
const lookMs = 5_000
const lookAgainMs = 1_000
/** How long the next look waits for each organization that this one asked for, in ms: many make it rare, not expensive. */
const lookMsForEach = 50

/** Organizations whose jobs are asked for at the same time. */
const asksAtOnce = 50
const listMax = 100

export interface RedriveDeskOptions {
  readonly deadLetters: Pick<DeadLetters, 'redrives' | 'stats'>
  readonly resender: Resender
  /** Organizations that may have jobs, also when they have no letters any more. */
  readonly organizations: { keys(): Iterable<string> }
  readonly logger: Logger
}

/** Starts redrives, and works on all that there are, whoever started them. */
export interface RedriveDesk {
  /** A job for each organization that has any of the letters; this instance works on them at once. */
  start(letters: LettersGiven, bounds: RedriveBounds): Promise<readonly Redrive[]>
  get(id: string): Promise<Redrive | undefined>
  /** Those of one organization, or of all, newest first, at most 100. */
  list(organization: string | undefined): Promise<readonly Redrive[]>
  /** Ends a job; what is just being sent is still settled. */
  cancel(id: string): Promise<void>
  /** Begins nothing more, finishes what is being sent, and gives back the rest. */
  drain(deadlineMs: number): Promise<void>
}

export function redriveDesk({ deadLetters, resender, organizations, logger }: RedriveDeskOptions): RedriveDesk {
  const { redrives } = deadLetters
  const working = new Map<string, Worker>()
  const stopping = new AbortController()
  // Each job that is worked on listens, which is more than Node takes for a mistake.
  setMaxListeners(0, stopping.signal)
  const looking = regularly(lookAgainMs, 'redrives could not be looked for', look, logger)
  let nextLookAt = 0
  let failing = false
  void looking.now()

  return {
    async start(letters, bounds) {
      const jobs = await redrives.start(letters, await boundsOfEach(letters, bounds))
      for (const job of jobs) work(job)
      return jobs
    },
    get: (id) => redrives.get(id),
    async list(organization) {
      const found = organization === undefined ? (await all({})).jobs : await redrives.list(organization)
      return found.toSorted((a, b) => b.startedAt - a.startedAt).slice(0, listMax)
    },
    cancel: async (id) => void (await redrives.cancel(id)),
    async drain(deadlineMs) {
      resender.finishWhatIsSent()
      stopping.abort()
      await looking.stop()
      await Promise.all([...working.values()].map(({ ended }) => ended))
      await resender.drain(deadlineMs)
    },
  }

  /** A rate is of all letters together, and each job keeps to its own. */
  async function boundsOfEach(letters: LettersGiven, bounds: RedriveBounds): Promise<RedriveBounds> {
    const { ratePerSecond } = bounds
    if (ratePerSecond === undefined || (!isIds(letters) && letters.organization !== undefined)) return bounds
    const owners = isIds(letters)
      ? letters.map((id) => id.split('.', 1)[0])
      : (await deadLetters.stats(letters)).rows.map(({ organization }) => organization)
    return { ...bounds, ratePerSecond: ratePerSecond / Math.max(1, new Set(owners).size) }
  }

  async function look(): Promise<void> {
    if (performance.now() < nextLookAt) return
    try {
      const { jobs, asked } = await all({ underWay: true })
      for (const job of jobs.toSorted((a, b) => a.startedAt - b.startedAt)) if (job.state === 'running') work(job)
      nextLookAt = performance.now() + Math.max(lookMs, asked * lookMsForEach)
      failing = false
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      if (!failing) logger.warn({ error }, 'the dead letters cannot be asked: redrives wait for them')
      failing = true
    }
  }

  /** The jobs of all organizations, and how many organizations were asked for. */
  async function all(which: {
    readonly underWay?: boolean
  }): Promise<{ readonly jobs: readonly Redrive[]; readonly asked: number }> {
    const names = new Set(organizations.keys())
    for (const row of (await deadLetters.stats()).rows) names.add(row.organization)
    const found: Redrive[] = []
    for (const some of chunks([...names], asksAtOnce))
      found.push(...(await Promise.all(some.map((name) => redrives.list(name, which)))).flat())
    return { jobs: found, asked: names.size }
  }

  function hasPlace(job: Redrive): boolean {
    const alike = [...working.values()].filter((worker) => isSlow(worker.job) === isSlow(job))
    const own = alike.filter((worker) => worker.job.organization === job.organization).length
    const left = (isSlow(job) ? slowJobsMax : jobsMax) - alike.length
    return own === 0 ? left > 0 : own < jobsOfEachMax && left > leftForOthers
  }

  function work(job: Redrive): void {
    const { id } = job
    if (stopping.signal.aborted || working.has(id) || !hasPlace(job)) return
    const event$ = redrives.work(id, { ...resender.how, concurrency: lettersAtOnce, signal: stopping.signal })
    let leave = (): void => {}
    const ended = new Promise<void>((resolve) => {
      const end = (): void => {
        working.delete(id)
        resolve()
      }
      const subscription = event$.subscribe({
        next(event) {
          tell(event, logger)
          // It waits longer than until the next look: somebody else may have the place.
          if (event.status === 'paused' && event.untilAt - Date.now() > lookMs) leave()
        },
        error(error: unknown) {
          logger.error({ error, redrive: id }, 'a redrive cannot go on')
          end()
        },
        complete() {
          logger.info({ redrive: id }, 'the work on a redrive is over')
          end()
        },
      })
      leave = () => {
        subscription.unsubscribe()
        end()
      }
    })
    working.set(id, { job, ended })
  }
}

function isIds(letters: LettersGiven): letters is readonly string[] {
  return Array.isArray(letters)
}

function isSlow({ ratePerSecond = Infinity }: Redrive): boolean {
  return ratePerSecond < slowBelow
}

interface Worker {
  readonly job: Redrive
  readonly ended: Promise<void>
}

/** What arrived is not told one by one, as it is not the first time. */
function tell(event: RedriveEvent, logger: Logger): void {
  const { jobId: redrive, done, total } = event
  if (event.status === 'paused')
    logger.info({ redrive, done, total, untilAt: event.untilAt }, 'a redrive waits for its destination')
  else if (event.status === 'failed' || event.status === 'parked') {
    const { letterId: letter, status, error } = event
    logger.warn({ redrive, letter, status, error: error?.message, type: error?.type }, 'a letter failed again')
  }
}

function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
