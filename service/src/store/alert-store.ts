import {
  type Backlog,
  claimExpired,
  claimMessages,
  findBacklog,
  releaseClaims,
  renewLeases,
  type Wanted,
} from './claim-messages.ts'
import type { Database } from './database.ts'
import { type AlertView, findAlerts } from './find-alert.ts'
import { findHolds, type Hold, keepHold } from './holds.ts'
import { forgetTheOld } from './housekeeping.ts'
import { findKnownAlerts, type Intake, insertAlerts } from './insert-alerts.ts'
import type { NewAlert } from './new-alert.ts'
import { migrate } from './migrations.ts'
import { findMissing, type Missed, type Missing, tellMissed } from './missed-messages.ts'
import { listOutbox, type OutboxPage, type OutboxQuery } from './outbox.ts'
import { type OutcomeRecord, recordOutcomes, type Settled } from './record-outcomes.ts'
import { isDelivered, recordRedriven, type Redriven } from './record-redriven.ts'
import { type DestinationOf, redirectMessages } from './redirect-messages.ts'
import { type Search, type SearchPage, searchAlerts } from './search-alerts.ts'
import {
  type AlertCounts,
  countAlerts,
  countBy,
  countByDay,
  type Counts,
  type DayCount,
  type DistributionKey,
  findOverview,
  type Overview,
} from './statistics.ts'
import type { Claimed } from './stored-alert.ts'

/** How long a claim lasts without being renewed, in ms. */
export const leaseMsDefault = 60_000

/** Where alerts stand, and what has become of each message: queue and history in one. */
export interface AlertStore {
  /** Whether this process is the only one that uses it. */
  readonly embedded: boolean
  insert(requests: readonly (readonly NewAlert[])[]): Promise<readonly Intake[]>
  /** Those that are there already under the ids that callers gave, by `alertKey`. */
  findKnown(alerts: readonly NewAlert[]): Promise<ReadonlySet<string>>
  find(id: string, organization: string | undefined): Promise<readonly AlertView[]>
  claim(wanted: readonly Wanted[]): Promise<readonly Claimed[]>
  claimExpired(count: number): Promise<readonly Claimed[]>
  renew(ids: readonly string[]): Promise<void>
  record(records: readonly OutcomeRecord[]): Promise<void>
  recordRedriven(redriven: readonly Redriven[]): Promise<void>
  isDelivered(organization: string, messageId: string): Promise<boolean>
  redirect(destinationOf: DestinationOf): Promise<void>
  /** The receivers that missed messages while their destinations were out, and were not told yet. */
  missed(): Promise<readonly Missing[]>
  /**
   * Stores the notice that `notice` makes of what a receiver missed, unless somebody else has; of very many, of the oldest.
   * Gives whether it did.
   */
  tellMissed(of: Missing, notice: (missed: Missed) => NewAlert): Promise<boolean>
  backlog(): Promise<readonly Backlog[]>
  hold(hold: Hold, reason: string): Promise<void>
  holds(): Promise<readonly Hold[]>
  outbox(query: OutboxQuery): Promise<OutboxPage>
  overview(organization: string): Promise<Overview>
  distribution(organization: string, by: DistributionKey): Promise<Counts>
  trends(organization: string, of: { readonly days: number; readonly lastDay: number }): Promise<readonly DayCount[]>
  counts(organization: string): Promise<AlertCounts>
  search(search: Search): Promise<SearchPage>
  /** Forgets what is over and gives back its room. */
  tidy(): Promise<void>
  /** Resolves when the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface AlertStoreOptions {
  /** Who claims: the instance's name. */
  readonly worker: string
  /** In ms; default `leaseMsDefault`. */
  readonly leaseMs?: number
  /** Hears whose alerts may have changed, once it is written, or not known to be. */
  readonly onChange?: ((organization: string, change: AlertChange) => void) | undefined
  /** Hears which messages have an outcome, once it is written. */
  readonly onSettled?: ((settled: readonly Settled[]) => void) | undefined
}

/** New alerts, or outcomes of messages. */
export type AlertChange = 'stored' | 'settled'

/**
 * Brings the tables up to date and opens the store. Where no other process can use it, what a process before this one had
 * claimed is free again; elsewhere it is when its lease is over. The database is the store's from now on: it is closed when
 * this fails.
 */
export async function openAlertStore(database: Database, options: AlertStoreOptions): Promise<AlertStore> {
  try {
    await migrate(database)
    if (database.embedded) await releaseClaims(database)
  } catch (error) {
    // What went wrong first is told, not what closing may make of it.
    await database.close().catch(() => {})
    throw error
  }
  return storeOver(database, options)
}

function storeOver(
  database: Database,
  { worker, leaseMs = leaseMsDefault, onChange = () => {}, onSettled = () => {} }: AlertStoreOptions,
): AlertStore {
  const tell = (organizations: Iterable<string>, change: AlertChange): void => {
    for (const organization of new Set(organizations)) onChange(organization, change)
  }
  return {
    embedded: database.embedded,
    async insert(requests) {
      try {
        return await insertAlerts(database, requests)
      } finally {
        // A write that failed may have been done all the same.
        tell(
          requests.flatMap((alerts) => alerts.map(({ organization }) => organization)),
          'stored',
        )
      }
    },
    findKnown: (alerts) => findKnownAlerts(database, alerts),
    find: (id, organization) => findAlerts(database, id, organization),
    claim: (wanted) => claimMessages(database, worker, leaseMs, wanted),
    claimExpired: (count) => claimExpired(database, worker, leaseMs, count),
    renew: (ids) => renewLeases(database, worker, leaseMs, ids),
    async record(records) {
      const { organizations, settled } = await recordOutcomes(database, worker, records)
      tell(organizations, 'settled')
      if (settled.length > 0) onSettled(settled)
    },
    async recordRedriven(redriven) {
      if (redriven.length === 0) return
      const settledAt = await recordRedriven(database, redriven)
      tell(
        redriven.map(({ organization }) => organization),
        'settled',
      )
      onSettled(redriven.map((one) => arrived(one, settledAt)))
    },
    isDelivered: (organization, messageId) => isDelivered(database, organization, messageId),
    redirect: (destinationOf) => redirectMessages(database, destinationOf),
    missed: () => findMissing(database),
    async tellMissed(of, notice) {
      const isTold = await tellMissed(database, of, notice)
      if (isTold) tell([of.organization], 'stored')
      return isTold
    },
    backlog: () => findBacklog(database),
    hold: (hold, reason) => keepHold(database, hold, reason),
    holds: () => findHolds(database),
    outbox: (query) => listOutbox(database, query),
    overview: (organization) => findOverview(database, organization),
    distribution: (organization, by) => countBy(database, organization, by),
    trends: (organization, of) => countByDay(database, organization, of),
    counts: (organization) => countAlerts(database, organization),
    search: (search) => searchAlerts(database, search),
    async tidy() {
      await forgetTheOld(database)
      await database.tidy()
    },
    async ping() {
      await database.query('SELECT 1')
    },
    close: () => database.close(),
  }
}

function arrived({ organization, alertId, receiver, channel }: Redriven, settledAt: number): Settled {
  return { organization, alertId, receiver, channel, state: 'delivered', reason: 'redriven', settledAt }
}
