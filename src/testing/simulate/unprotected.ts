import type { ClassifiedError } from '../../kernel/classify.ts'
import type { Arrivals } from './chance.ts'
import type { Dependency } from './dependency.ts'
import type { CallRules } from './call-rules.ts'
import type { PlannedFault } from './fault-plan.ts'
import { emptyTally, type Tally } from './tally.ts'

export interface UnprotectedOptions {
  readonly instances: number
  readonly untilMs: number
  readonly lateAfterMs: number
  readonly arrivals: Arrivals
  readonly dependency: Dependency
  readonly rulesOf: (instance: number) => CallRules
  readonly faults: readonly PlannedFault[]
  readonly bucketMs: number
}

/**
 * The same calls of the same fleet, with the same retries and timeouts, and without breakers and dead letters. Instances
 * have nothing to say to each other here, so that each call can be followed to its end at once.
 */
export function playUnprotected(options: UnprotectedOptions): Tally {
  const { instances, untilMs, arrivals, bucketMs } = options
  const tally = emptyTally(untilMs, bucketMs)
  for (let instance = 0; instance < instances; instance++) {
    const breaks = options.faults.filter(({ kind, place }) => place === instance && isBreak(kind))
    const crashes = breaks.filter(({ kind }) => kind === 'crash').map(({ atMs }) => atMs)
    for (let tick = arrivals.next(instance, 0); tick < untilMs; tick = arrivals.next(instance, tick)) {
      const standing = breaks.find(({ atMs, forMs }) => tick >= atMs && tick < atMs + forMs)
      if (standing?.kind === 'crash') continue
      const startsAt = standing === undefined ? tick : standing.atMs + standing.forMs
      followCall(options, tally, crashes, instance, tick, startsAt)
    }
  }
  return tally
}

function isBreak(kind: PlannedFault['kind']): boolean {
  return kind === 'crash' || kind === 'pause'
}

function followCall(
  { dependency, rulesOf, lateAfterMs }: UnprotectedOptions,
  tally: Tally,
  crashes: readonly number[],
  instance: number,
  askedAt: number,
  startsAt: number,
): void {
  const rules = rulesOf(instance)
  const crashesAt = crashes.find((at) => at > startsAt) ?? Infinity
  tally.calls++
  let now = startsAt
  let previousDelayMs: number | undefined
  for (let attempt = 1; ; attempt++) {
    const answer = dependency.ask(now, instance)
    if (answer.troubled) tally.reachedWhileDead++
    const tookMs = rules.bound(answer, now - askedAt)
    if (now + tookMs >= crashesAt) {
      tally.lost++
      return tally.mark('failed', now)
    }
    const { error } = answer
    now += tookMs
    if (error === undefined) {
      if (now - askedAt > lateAfterMs) tally.late++
      else tally.delivered++
      return tally.mark('delivered', now)
    }
    tally.mark('failed', now)
    const next: number | ClassifiedError['gaveUp'] = rules.next(error, attempt, previousDelayMs, askedAt, now)
    if (typeof next !== 'number') {
      tally.lost++
      return
    }
    previousDelayMs = next
    now += next
  }
}
