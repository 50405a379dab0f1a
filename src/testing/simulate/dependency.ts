import type { Scenario } from './scenario.ts'
import type { Chance } from './chance.ts'

/** What came of a call; one object that is written anew for each, since there are millions. */
export interface Answer {
  /** `undefined`: it went well. The same object each time, for what is known of it to be kept. */
  error: Error | undefined
  /** How long the call takes, in whole ms; at least 1. */
  latencyMs: number
  /** Whether it met the dependency in its trouble. */
  troubled: boolean
}

/** The simulated dependency of one breaker. */
export interface Dependency {
  /** When its trouble is over, in ms from the start. */
  readonly wellFrom: number
  /** Whether calls of this instance can meet the trouble at all. */
  affects(instance: number): boolean
  ask(tick: number, instance: number): Answer
}

/** Two minutes, after which a system gives up a connection that nobody answers. */
const hangMs = 120_000
const failMs = 3

export function dependencyOf(scenario: Scenario, instances: number, chance: Chance): Dependency {
  const { fromMs, forMs, latencyMs } = scenario
  const wellFrom = fromMs + forMs
  const answer: Answer = { error: undefined, latencyMs: 1, troubled: false }
  const sick = scenario.kind === 'partiallySick' && scenario.among === 'instances' ? scenario.share : 1
  const affected = Math.max(1, Math.round(instances * sick))
  const trouble = troubleOf(scenario, instances, chance)

  return {
    wellFrom,
    affects: (instance) => instance < affected,
    ask(tick, instance) {
      answer.error = undefined
      answer.latencyMs = Math.max(1, Math.round(latencyMs * (0.5 + chance())))
      answer.troubled = false
      if (tick >= fromMs && tick < wellFrom && instance < affected) trouble(answer, tick)
      return answer
    },
  }
}

function troubleOf(scenario: Scenario, instances: number, chance: Chance): (answer: Answer, tick: number) => void {
  switch (scenario.kind) {
    case 'outage': {
      const { error, takesMs } = deaths[scenario.how]
      return (answer) => fail(answer, error, takesMs)
    }
    case 'slow':
      return (answer) => {
        answer.troubled = true
        answer.latencyMs = Math.max(1, Math.round(scenario.slowMs * (0.5 + chance())))
      }
    case 'flapping':
      return (answer, tick) => {
        if (Math.floor((tick - scenario.fromMs) / scenario.everyMs) % 2 === 0)
          fail(answer, deaths.refuses.error, failMs)
      }
    case 'rateLimited':
      return rateLimit(
        scenario.perSecond ?? (instances * scenario.callsPerSecond) / 2,
        Object.assign(new Error('429 Too Many Requests'), {
          status: 429,
          headers: { 'retry-after': String(scenario.retryAfterS) },
        }),
      )
    case 'partiallySick':
      return (answer) => {
        if (scenario.among === 'instances' || chance() < scenario.share) fail(answer, deaths.errors.error, failMs)
      }
    default:
      return scenario satisfies never
  }
}

function fail(answer: Answer, error: Error, takesMs: number): void {
  answer.troubled = true
  answer.error = error
  answer.latencyMs = takesMs
}

function rateLimit(perSecond: number, error: Error): (answer: Answer, tick: number) => void {
  let second = -1
  let taken = 0
  return (answer, tick) => {
    const now = Math.floor(tick / 1_000)
    if (now !== second) {
      second = now
      taken = 0
    }
    if (++taken > perSecond) fail(answer, error, failMs)
  }
}

const deaths = {
  refuses: {
    error: Object.assign(new Error('connect ECONNREFUSED 192.0.2.1:25'), { code: 'ECONNREFUSED' }),
    takesMs: failMs,
  },
  errors: { error: Object.assign(new Error('503 Service Unavailable'), { status: 503 }), takesMs: failMs },
  hangs: { error: Object.assign(new Error('read ETIMEDOUT'), { code: 'ETIMEDOUT' }), takesMs: hangMs },
} as const
