import type { SwitchgearOptions } from 'switchgear'
import type { Channels } from './channels/channels.ts'
import type { Database } from './store/database.ts'

/**
 * What several instances in one process share, instead of what the settings would open for each: a fleet without servers.
 * Whoever gives it closes it.
 */
export interface SharedParts {
  readonly engine: Required<Pick<SwitchgearOptions, 'log' | 'limiter' | 'deadLetters' | 'cache'>>
  readonly database: Database
  readonly channels: Channels
}
