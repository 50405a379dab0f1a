import type { Outcome } from '../../kernel/outcome.ts'
import type { Decision } from '../../ports/limiter.ts'
import { boundedLabel } from './bounded-label.ts'
import { listenToEngine } from './engine-channels.ts'
import type { Instruments } from './instruments.ts'

/** Counts what the instances of this process tell of calls, retries, limits, letters, the cache and transitions. */
export function countEvents(instruments: Instruments, labelValuesMax: number): () => void {
  const { counter, histogram } = instruments
  const breaker = boundedLabel(labelValuesMax)
  const limit = boundedLabel(labelValuesMax)
  const channel = boundedLabel(labelValuesMax)
  const kind = boundedLabel(labelValuesMax)
  const calls = counter({
    name: 'calls',
    help: 'Outcomes of calls and deliveries',
    labels: ['breaker', 'status', 'reason'],
  })
  const durations = histogram({
    name: 'call_duration',
    help: 'From a call to its outcome, with its waits and retries; refused calls are not in it',
    labels: ['breaker', 'status'],
    unit: 's',
  })
  const attempts = counter({ name: 'attempts', help: 'Times that the work of calls was run', labels: ['breaker'] })
  const retries = counter({ name: 'retries', help: 'Retries, by the error they answer', labels: ['error'] })
  const decisions = counter({
    name: 'limit_decisions',
    help: 'Decisions of limiters; degraded: the store could not be asked',
    labels: ['limit', 'decision', 'degraded'],
  })
  const letters = counter({ name: 'letters', help: 'Dead letters that were new', labels: ['channel', 'error'] })
  const reads = counter({ name: 'cache_reads', help: 'Reads of the cache', labels: ['kind', 'found', 'stale'] })
  const transitions = counter({
    name: 'transitions',
    help: 'Changes of breakers, of this instance alone or of the fleet',
    labels: ['breaker', 'from', 'to', 'scope'],
  })
  return listenToEngine({
    call({ breaker: name, outcome }) {
      const labels = { breaker: breaker(name ?? ''), status: outcome.status }
      calls({ ...labels, reason: reasonOf(outcome) })
      if (outcome.status === 'refused') return
      durations(labels, outcome.durationMs / 1_000)
      attempts({ breaker: labels.breaker }, outcome.attempts)
    },
    retry: ({ error }) => retries({ error: error.type }),
    limit({ decision }) {
      for (const name of decidedBy(decision))
        decisions({
          limit: limit(name),
          decision: decision.allowed ? 'allowed' : 'refused',
          degraded: String(decision.degraded),
        })
    },
    letter: ({ channel: name, errorType }) => letters({ channel: channel(name), error: errorType }),
    cache: ({ address, found, isStale }) => reads({ kind: kind(address.kind), found, stale: String(isStale) }),
    transition: ({ breaker: name, from, to, scope }) => transitions({ breaker: breaker(name), from, to, scope }),
  })
}

function reasonOf(outcome: Outcome<unknown>): string {
  if (outcome.status === 'refused') return outcome.reason
  return outcome.status === 'delivered' ? '' : outcome.error.type
}

/** The limits that refused; else all that were asked. */
function decidedBy({ allowed, limits }: Decision): readonly string[] {
  const exceeded = limits.filter((of) => of.exceeded)
  return (allowed || exceeded.length === 0 ? limits : exceeded).map(({ name }) => name)
}
