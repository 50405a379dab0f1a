import { OverCapacityError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { LetterParts } from '../../ports/letter.ts'
import type { RedriveJob, RedriveJobs, RedriveWork, TakeOptions } from '../../ports/redrive-jobs.ts'
import { doneOf, type Job, newJob, pauseOf, seenJob, type Turn } from './redrive-job.ts'

/** What a job does to letters. */
export interface JobLetters {
  get(id: string): LetterParts | undefined
  replace(letter: LetterParts, version: number): boolean
  remove(id: string): boolean
}

/** How long a job is kept after its last change. */
const keptMs = 86_400_000
const jobsMax = 10_000
const listMax = 100
/** Letters that one taking skips at most. */
const skipsMax = 1_000

/** A job as it is written down: JSON that does not change any more. */
export interface StoredJob {
  readonly job: Omit<Job, 'turns'>
  /** `claims`: the letter is in the hands of this turn, and of no other job's. */
  readonly held: readonly (readonly [turn: string, held: Turn, claims: boolean])[]
}

export interface RestorableRedriveJobs extends RedriveJobs {
  snapshot(): readonly StoredJob[]
  restore(stored: StoredJob): void
}

/** Redrives in the memory of this process. */
export function memoryRedriveJobs(letters: JobLetters, clock: Clock): RestorableRedriveJobs {
  const jobs = new Map<string, Job>()
  /** By letter, the turn that has it, whichever job it is of. */
  const claims = new Map<string, Turn>()

  const find = (id: string): Job | undefined => {
    const job = jobs.get(id)
    if (job !== undefined) forgetIfOld(job)
    return jobs.get(id)
  }

  const forgetIfOld = (job: Job): void => {
    if (job.changedAt + keptMs >= clock.monotonic()) return
    for (const turn of job.turns.keys()) release(job, turn)
    jobs.delete(job.plan.id)
  }

  /** Forgets the oldest job that is over, and of which nobody holds a letter. */
  const makeRoom = (): void => {
    for (const [id, { state, turns: held }] of jobs) {
      if (state !== 'running' && held.size === 0) return void jobs.delete(id)
    }
    throw new OverCapacityError('redrives in memory', 'jobsMax', jobsMax)
  }

  const change = (job: Job): void => {
    job.changedAt = clock.monotonic()
    if (job.state === 'running' && job.fedAll && doneOf(job) === job.fed) job.state = 'done'
  }

  const seen = (job: Job): RedriveJob => seenJob(job, clock.monotonic())

  const leftBehind = (job: Job): string | undefined => {
    for (const [turn, { letterId, endsAt }] of job.turns) {
      if (endsAt > clock.monotonic()) continue
      release(job, turn)
      return letterId
    }
    return undefined
  }

  /** The next letter that is nobody's: left behind, new, or, once all are in, given back. */
  const next = (job: Job): string | undefined => {
    const id = leftBehind(job) ?? job.waiting.shift()
    if (id !== undefined || !job.fedAll) return id
    if (!job.isEarliestFirst) job.givenBack.sort((one, other) => one.fromAt - other.fromAt)
    job.isEarliestFirst = true
    return (job.givenBack[0]?.fromAt ?? Infinity) <= clock.monotonic() ? job.givenBack.shift()?.letterId : undefined
  }

  /** The next letter as versions before took them: given back, left behind, or new. */
  const nextAsBefore = (job: Job): string | undefined => {
    const due = job.givenBack.findIndex(({ fromAt }) => fromAt <= clock.monotonic())
    const [back] = due < 0 ? [] : job.givenBack.splice(due, 1)
    return back?.letterId ?? leftBehind(job) ?? job.waiting.shift()
  }

  const release = (job: Job, turn: string): void => {
    const held = job.turns.get(turn)
    if (held === undefined) return
    job.turns.delete(turn)
    if (claims.get(held.letterId) === held) claims.delete(held.letterId)
  }

  const begin = (job: Job, letter: LetterParts, leaseMs: number): RedriveWork => {
    const now = clock.monotonic()
    const turn = String((job.turnsSoFar += 1))
    const held = { letterId: letter.header.id, endsAt: now + leaseMs }
    job.turns.set(turn, held)
    claims.set(held.letterId, held)
    const { ratePerSecond } = job.plan
    const slotAt = ratePerSecond === undefined ? now : Math.max(now, job.nextSlotAt)
    if (ratePerSecond !== undefined) job.nextSlotAt = slotAt + 1_000 / ratePerSecond
    return { turn, letter, dueInMs: slotAt - now }
  }

  const mayTake = (job: Job, letter: LetterParts | undefined): letter is LetterParts => {
    if (letter === undefined) return false
    const { of } = job.plan
    if (letter.header.parked && !('ids' in of) && of.filter.parked !== true) return false
    return (claims.get(letter.header.id)?.endsAt ?? 0) <= clock.monotonic()
  }

  const take = (job: Job, { count, leaseMs, givenBackFirst = false }: TakeOptions) => {
    const work: RedriveWork[] = []
    const skipped: string[] = []
    while (work.length < count && skipped.length < skipsMax) {
      const id = givenBackFirst ? nextAsBefore(job) : next(job)
      if (id === undefined) break
      const letter = letters.get(id)
      if (mayTake(job, letter)) work.push(begin(job, letter, leaseMs))
      else skipped.push(id)
    }
    job.counts.skipped += skipped.length
    change(job)
    return { work, skipped }
  }

  return {
    async start(plan) {
      for (const job of jobs.values()) forgetIfOld(job)
      if (jobs.has(plan.id)) return
      if (jobs.size >= jobsMax) makeRoom()
      jobs.set(plan.id, newJob(plan, clock.monotonic()))
    },
    async get(id) {
      const job = find(id)
      return job && seen(job)
    },
    async list(organization, { underWay = false } = {}) {
      for (const job of jobs.values()) forgetIfOld(job)
      const own = [...jobs.values()].filter(
        ({ plan, state }) => plan.organization === organization && (!underWay || state === 'running'),
      )
      return own.toReversed().slice(0, listMax).map(seen)
    },
    async feed(id, cursor, ids, next) {
      const job = find(id)
      if (job?.state !== 'running' || job.fedAll || job.cursor !== cursor) return false
      job.waiting.push(...ids)
      job.fed += ids.length
      job.cursor = next
      job.fedAll = next === undefined
      if (job.fedAll) job.total = job.fed
      change(job)
      return true
    },
    async take(id, how) {
      const job = find(id)
      if (job === undefined) return undefined
      const open = job.state === 'running' && pauseOf(job, clock.monotonic()) === undefined
      const taken = open ? take(job, how) : { work: [], skipped: [] }
      return { job: seen(job), ...taken }
    },
    async renew(id, held, leaseMs) {
      const job = find(id)
      const still = held.filter((turn) => {
        const of = job?.turns.get(turn)
        return of !== undefined && claims.get(of.letterId) === of
      })
      for (const turn of still) {
        const { letterId } = job?.turns.get(turn) ?? { letterId: '' }
        const renewed = { letterId, endsAt: clock.monotonic() + leaseMs }
        job?.turns.set(turn, renewed)
        claims.set(letterId, renewed)
      }
      if (job !== undefined && still.length > 0) change(job)
      return still
    },
    async settle(id, turn, outcome, next) {
      const job = find(id)
      const held = job?.turns.get(turn)
      if (job === undefined || held === undefined || claims.get(held.letterId) !== held) return 'lost'
      const { letterId } = held
      if (next !== undefined && letters.get(letterId) !== undefined && !letters.replace(next, next.header.version - 1))
        return 'changed'
      if (outcome === 'delivered') letters.remove(letterId)
      release(job, turn)
      job.counts[outcome] += 1
      change(job)
      return seen(job)
    },
    async giveBack(id, turn, forMs = 0) {
      const job = find(id)
      const held = job?.turns.get(turn)
      if (job === undefined || held === undefined) return
      release(job, turn)
      const fromAt = clock.monotonic() + forMs
      const comesBefore = (other: { readonly fromAt: number }): boolean =>
        !job.isEarliestFirst || other.fromAt <= fromAt
      job.givenBack.splice(job.givenBack.findLastIndex(comesBefore) + 1, 0, { letterId: held.letterId, fromAt })
      change(job)
    },
    async pause(id, forMs) {
      const job = find(id)
      if (job?.state !== 'running') return
      job.pause = { endsAt: clock.monotonic() + forMs, untilAt: clock.now() + forMs }
      change(job)
    },
    async cancel(id) {
      const job = find(id)
      if (job?.state !== 'running') return false
      job.state = 'cancelled'
      change(job)
      return true
    },
    snapshot: () =>
      [...jobs.values()].map(({ turns: held, ...job }) => ({
        job: { ...job, counts: { ...job.counts }, givenBack: [...job.givenBack], waiting: [...job.waiting] },
        held: [...held].map(([turn, of]) => [turn, of, claims.get(of.letterId) === of] as const),
      })),
    restore({ job, held }) {
      // Versions before wrote down as they were given back what is to come the earliest first.
      jobs.set(job.plan.id, { ...job, isEarliestFirst: false, turns: new Map(held.map(([turn, of]) => [turn, of])) })
      for (const [, of, isClaim] of held) if (isClaim) claims.set(of.letterId, of)
    },
  }
}
