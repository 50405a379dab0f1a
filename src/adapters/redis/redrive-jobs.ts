import { OverCapacityError, UnavailableError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import { letterId, organizationOf } from '../../ports/letter.ts'
import type { RedriveJob, RedriveJobs, RedrivePlan, RedriveWork } from '../../ports/redrive-jobs.ts'
import { type LetterAsking, listIn, textIn } from './letter-asking.ts'
import { organizationKey } from './keys.ts'
import { allKey, ownId } from './letter-keys.ts'
import { sideBySide } from './letter-side-by-side.ts'
import { readValue, writeValue } from './letter-value.ts'
import {
  cancelScript,
  feedScript,
  giveBackScript,
  type JobFact,
  jobsMax,
  jobFacts,
  listScript,
  pauseScript,
  renewScript,
  seeScript,
  settleScript,
  startScript,
  takeScript,
} from './redrive-scripts.ts'
import type { Argument, Script } from './run-script.ts'

export interface RedisRedriveJobsOptions {
  readonly redis: LetterAsking
  readonly fleet: string
  /** How long letters and their feeds are kept, in ms. */
  readonly keptMs: number
}

/** Plans that are remembered: they may be long, and never change. */
const plansMax = 100

/** Redrives in Redis: letters wait in a stream, and workers take them as consumers of one group. */
export function redisRedriveJobs({ redis, fleet, keptMs }: RedisRedriveJobsOptions): RedriveJobs {
  const plans = new Map<string, RedrivePlan>()

  /** Runs a script about a job; `undefined` for what is no id of one. */
  const about = async (script: Script, id: string, args: readonly Argument[] = []): Promise<unknown> => {
    const organization = organizationOf(id)
    if (organization === undefined) return undefined
    return redis.script(script, [allKey(fleet, organization)], [ownId(id), ...args])
  }

  const planOf = async (id: string): Promise<RedrivePlan | undefined> => {
    const known = plans.get(id)
    if (known !== undefined) return known
    const key = organizationKey(fleet, 'dl', organizationOf(id) ?? '', `job:${ownId(id)}`)
    const stored = textIn(await redis.command('hget', key, 'plan'))
    if (stored === '') return undefined
    if (plans.size >= plansMax) plans.clear()
    const plan = JSON.parse(stored) as RedrivePlan
    plans.set(id, plan)
    return plan
  }

  const jobIn = async (id: string, facts: unknown): Promise<RedriveJob | undefined> => {
    const plan = Array.isArray(facts) ? await planOf(id) : undefined
    return plan && jobOf(plan, listIn(facts))
  }

  const get = async (id: string): Promise<RedriveJob | undefined> => jobIn(id, await about(seeScript, id))

  return {
    async start(plan) {
      const { startedAt, total, ratePerSecond, of } = plan
      const parkedToo = 'ids' in of || of.filter.parked === true
      const started = await about(startScript, plan.id, [
        ...[JSON.stringify(plan), startedAt, total, ratePerSecond ?? '', parkedToo ? 1 : 0],
      ])
      if (started === 0) throw new OverCapacityError(`redrives of ${shown(plan.organization)}`, 'jobsMax', jobsMax)
    },
    get,
    async list(organization, { underWay = false } = {}) {
      const found = listIn(await redis.script(listScript, [allKey(fleet, organization)], ['', underWay ? 1 : 0]))
      const jobs = await sideBySide(found, (own) => get(letterId(organization, textIn(own))))
      return jobs.filter((job) => job !== undefined)
    },
    async feed(id, cursor, ids, next) {
      return (await about(feedScript, id, [cursor ?? '', next ?? '', ...ids.map(ownId)])) === 1
    },
    async take(id, { by, count, leaseMs }) {
      const reply = await about(takeScript, id, [by, count, leaseMs])
      if (!Array.isArray(reply)) return undefined
      const [facts, work, skipped] = listIn(reply)
      const job = await jobIn(id, facts)
      if (job === undefined) return undefined
      const { organization } = job
      return {
        job,
        work: workIn(organization, listIn(work)),
        skipped: listIn(skipped).map((own) => letterId(organization, textIn(own))),
      }
    },
    async renew(id, turns, leaseMs) {
      const held = await about(renewScript, id, [leaseMs, ...turns])
      return held === undefined ? [] : listIn(held).map(textIn)
    },
    async settle(id, turn, outcome, next) {
      const change = next === undefined ? ['', ''] : [next.header.version - 1, writeValue(next)]
      const reply = await about(settleScript, id, [turn, outcome, ...change, keptMs])
      if (!Array.isArray(reply)) return textIn(reply) === 'changed' ? 'changed' : 'lost'
      const job = await jobIn(id, reply)
      if (job === undefined) throw new UnavailableError('Redis', `the redrive ${id} is gone`)
      return job
    },
    giveBack: async (id, turn, forMs = 0) => void (await about(giveBackScript, id, [turn, Math.ceil(forMs)])),
    pause: async (id, forMs) => void (await about(pauseScript, id, [forMs])),
    cancel: async (id) => (await about(cancelScript, id)) === 1,
  }
}

function workIn(organization: string, found: readonly unknown[]): readonly RedriveWork[] {
  const work: RedriveWork[] = []
  for (let at = 0; at < found.length; at += 4) {
    const [turn, id, value, due] = found.slice(at, at + 4)
    const letter = readValue(organization, textIn(id), value)
    if (letter !== undefined) work.push({ turn: textIn(turn), letter, dueInMs: Number(textIn(due)) })
  }
  return work
}

function jobOf(plan: RedrivePlan, [now, ...facts]: readonly unknown[]): RedriveJob {
  const fact = (name: JobFact): string => textIn(facts[jobFacts.indexOf(name)])
  const [delivered, failed, parked, skipped] = [
    Number(fact('delivered')),
    Number(fact('failed')),
    Number(fact('parked')),
    Number(fact('skipped')),
  ]
  const pausedUntilAt = Number(fact('pausedUntil'))
  const isPaused = fact('state') === 'running' && pausedUntilAt > Number(textIn(now))
  const cursor = fact('cursor')
  return {
    ...plan,
    total: Number(fact('total')),
    fed: Number(fact('fed')),
    fedAll: fact('fedAll') === '1',
    ...(cursor === '' ? {} : { cursor }),
    state: isPaused ? 'paused' : (fact('state') as RedriveJob['state']),
    ...(isPaused ? { pausedUntilAt } : {}),
    delivered,
    failed,
    parked,
    skipped,
    done: delivered + failed + parked + skipped,
  }
}
