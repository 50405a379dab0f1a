import type { Instruments } from './instruments.ts'
import type { TelemetryOptions } from './telemetry-options.ts'

/** Reads retry budgets and pipelines, which belong to no instance, at each collection. */
export function readOthers({ gauge }: Instruments, { retryBudgets = {}, pipelines = {} }: TelemetryOptions): void {
  const budgets = Object.entries(retryBudgets)
  const ofBudgets = (name: 'calls' | 'retries' | 'refused', help: string): void =>
    gauge({ name: `retry_budget_${name}`, help, labels: ['budget'] }, () =>
      budgets.map(([budget, of]) => ({ labels: { budget }, value: of.counts()[name] })),
    )
  if (budgets.length > 0) {
    ofBudgets('calls', 'Calls in the window of a retry budget')
    ofBudgets('retries', 'Retries in the window of a retry budget')
    ofBudgets('refused', 'Retries that a budget has refused since it was made')
  }
  const running = Object.entries(pipelines)
  if (running.length === 0) return
  gauge({ name: 'pipeline_items', help: 'Items in the hands of a pipeline', labels: ['pipeline', 'state'] }, () =>
    running.flatMap(([pipeline, read]) => {
      const { inFlight, waiting } = read()
      return [
        { labels: { pipeline, state: 'inFlight' }, value: inFlight },
        { labels: { pipeline, state: 'waiting' }, value: waiting },
      ]
    }),
  )
}
