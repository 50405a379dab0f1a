import type { StreamConfig } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { messageBytesMax, retainedPerTopic } from '../../ports/event-log.ts'
import type { FleetSubjects } from './subjects.ts'

export interface StreamChoices {
  readonly replicas: number
  readonly storage: 'file' | 'memory'
}

/** A message that was sent again within this time is known to the server by its id, in ms. */
export const duplicateWindowMs = 120_000

type Settings = Partial<StreamConfig> & { readonly name: string }

/** The stream that is the log. No age limit: it would erase the breakers that were quiet for so long. */
export function logStreamSettings(subjects: FleetSubjects, { replicas, storage }: StreamChoices): Settings {
  return {
    name: subjects.stream,
    subjects: [subjects.log],
    storage,
    num_replicas: replicas,
    retention: 'limits',
    discard: 'old',
    max_msgs_per_subject: retainedPerTopic,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msg_size: messageBytesMax,
    max_consumers: -1,
    duplicate_window: nanos(duplicateWindowMs),
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    republish: { src: subjects.log, dest: subjects.transitions },
  }
}

/** The second stream, which keeps what was accepted for so many days. */
export function auditStreamSettings(subjects: FleetSubjects, choices: StreamChoices, days: number): Settings {
  return {
    name: subjects.auditStream,
    subjects: [subjects.audit],
    storage: choices.storage,
    num_replicas: choices.replicas,
    retention: 'limits',
    discard: 'old',
    max_age: nanos(days * 86_400_000),
    duplicate_window: nanos(duplicateWindowMs),
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
  }
}

/** A setting of a stream that is not what was asked for. */
export interface Difference {
  readonly setting: string
  readonly is: string
  readonly wanted: string
  /** Whether the log cannot work with it. */
  readonly essential: boolean
}

/**
 * Compares what a server says of a stream with what was asked for: an older server drops the settings that it does not
 * know without a word, and somebody else may have made the stream.
 */
export function differences(is: Partial<StreamConfig>, wanted: Settings): readonly Difference[] {
  const found: Difference[] = []
  for (const setting of settingsOf(wanted)) {
    const [one, other] = [shownSetting(is[setting]), shownSetting(wanted[setting])]
    if (one === other || isAsGood(setting, is[setting], wanted[setting])) continue
    found.push({ setting, is: one, wanted: other, essential: !advisory.has(setting) })
  }
  if (is.sealed === true) found.push({ setting: 'sealed', is: 'true', wanted: 'false', essential: true })
  if (is.no_ack === true) found.push({ setting: 'no_ack', is: 'true', wanted: 'false', essential: true })
  return found
}

/** `storage is "memory", not "file"`, and so on. */
export function describeDifferences(found: readonly Difference[]): string {
  return found.map(({ setting, is, wanted }) => `${setting} is ${is}, not ${wanted}`).join('; ')
}

/** The log works without these, if not as well. */
const advisory: ReadonlySet<keyof StreamConfig> = new Set([
  'storage',
  'num_replicas',
  'max_bytes',
  'max_consumers',
  'deny_delete',
  'deny_purge',
  'allow_direct',
  'republish',
])

/** More room for a message, and a longer memory of ids, are no harm. */
function isAsGood(setting: keyof StreamConfig, is: unknown, wanted: unknown): boolean {
  if (typeof is !== 'number' || typeof wanted !== 'number') return false
  if (setting === 'max_msg_size') return is === -1 || is > wanted
  return setting === 'duplicate_window' && is > wanted
}

function settingsOf(settings: Settings): (keyof StreamConfig)[] {
  return Object.keys(settings) as (keyof StreamConfig)[]
}

function shownSetting(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(value)
}
