import { Counter, type Registry } from 'prom-client'
import type { Acceptance, AlertIntake } from '../intake/accept-alerts.ts'

/** By which way alerts come in. */
export type Door = 'http' | 'nats'

/** Counts alerts by door and by what the intake says to them. */
export function intakeMeter(registry: Registry): (intake: AlertIntake, door: Door) => AlertIntake {
  const alerts = new Counter({
    name: 'switchgear_alerts_total',
    help: 'Alerts that came in, by door and result; failed: the store could not be asked',
    labelNames: ['door', 'result'],
    registers: [registry],
  })
  return (intake, door) => ({
    idle: () => intake.idle(),
    async accept(drafts, key, traceparent) {
      try {
        const acceptance = await intake.accept(drafts, key, traceparent)
        for (const [result, count] of resultsOf(acceptance, drafts.length)) alerts.inc({ door, result }, count)
        return acceptance
      } catch (error) {
        alerts.inc({ door, result: 'failed' }, drafts.length)
        throw error
      }
    },
  })
}

function resultsOf(acceptance: Acceptance, count: number): readonly (readonly [string, number])[] {
  if (acceptance.status !== 'accepted') return [[acceptance.status, count]]
  const duplicates = acceptance.alerts.filter(({ duplicateOf }) => duplicateOf !== undefined).length
  return [
    ['accepted', count - duplicates],
    ['duplicate', duplicates],
  ]
}
