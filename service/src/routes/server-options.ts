import type { Cache, DeadLetters, Limiter, Logger, Switchgear } from 'switchgear'
import type { Dashboards } from '../cache/dashboards.ts'
import type { Organizations } from '../config/organizations.ts'
import type { LiveView } from '../dashboard/live-view.ts'
import type { RedriveDesk } from '../dead-letters/redrive-desk.ts'
import type { AlertIntake } from '../intake/accept-alerts.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Access } from './access.ts'

/** What the routes need. */
export interface ServerOptions {
  readonly access: Access
  readonly organizations: Organizations
  readonly intake: AlertIntake
  readonly store: Pick<AlertStore, 'find' | 'ping'>
  readonly gear: Pick<Switchgear, 'breaker' | 'breakers' | 'states'>
  readonly limiter: Pick<Limiter, 'peek' | 'suggest'>
  readonly deadLetters: DeadLetters
  readonly redrives: Pick<RedriveDesk, 'start' | 'get' | 'list' | 'cancel'>
  readonly dashboards: Dashboards
  readonly cache: Pick<Cache, 'stats' | 'invalidate'>
  /** What goes on, for those who watch. */
  readonly live: LiveView
  readonly metrics: Pick<Metrics, 'http' | 'read' | 'contentType'>
  readonly logger: Logger
  /** Whether the service is stopping: it takes nothing more in. */
  readonly isStopping: () => boolean
}
