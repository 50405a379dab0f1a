import type { Cache, CacheRead } from 'switchgear'
import type { AlertStore } from '../store/alert-store.ts'
import type { OutboxPage, OutboxQuery } from '../store/outbox.ts'
import type { Search, SearchPage } from '../store/search-alerts.ts'
import {
  type AlertCounts,
  type Counts,
  dayOf,
  type DayCount,
  type DistributionKey,
  type Overview,
} from '../store/statistics.ts'

/** What a dashboard asked for, and where it came from. */
export interface Answer<T> {
  readonly value: T
  readonly read: CacheRead
}

/** What dashboards ask for, again and again, from the cache. */
export interface Dashboards {
  overview(organization: string): Promise<Answer<Overview>>
  distribution(organization: string, by: DistributionKey): Promise<Answer<Counts>>
  /** The days of UTC up to today. */
  trends(organization: string, days: number): Promise<Answer<readonly DayCount[]>>
  counts(organization: string): Promise<Answer<AlertCounts>>
  search(search: Search): Promise<Answer<SearchPage>>
  /** Of one organization, or of all. */
  outbox(query: OutboxQuery): Promise<Answer<OutboxPage>>
}

export type DashboardStore = Pick<AlertStore, 'overview' | 'distribution' | 'trends' | 'counts' | 'search' | 'outbox'>

/** Whose that is in the cache which holds something of all organizations; none is called so. */
export const allOrganizations = '*'

export function dashboards(store: DashboardStore, cache: Pick<Cache, 'wrap'>): Dashboards {
  return {
    overview: (organization) =>
      ask({ organization, kind: 'stats', key: 'overview' }, () => store.overview(organization)),
    distribution: (organization, by) =>
      ask({ organization, kind: 'distributions', key: by }, () => store.distribution(organization, by)),
    trends(organization, days) {
      // The day is part of the key: what was asked for yesterday has no place for today.
      const lastDay = dayOf(Date.now())
      const address = { organization, kind: 'trends', key: `${lastDay}-${days}` }
      return ask(address, () => store.trends(organization, { days, lastDay }))
    },
    counts: (organization) => ask({ organization, kind: 'counts', key: 'all' }, () => store.counts(organization)),
    search: (search) =>
      ask({ organization: search.organization, kind: 'search', key: keyOf(search) }, () => store.search(search)),
    // It grows with outcomes, as counts change.
    outbox: (query) =>
      ask({ organization: query.organization ?? allOrganizations, kind: 'counts', key: outboxKeyOf(query) }, () =>
        store.outbox(query),
      ),
  }

  async function ask<T>(address: Parameters<Cache['wrap']>[0], load: () => Promise<T>): Promise<Answer<T>> {
    let read: CacheRead = { found: 'miss', isStale: false }
    const value = await cache.wrap(address, load, { onRead: (how) => (read = how) })
    return { value, read }
  }
}

/** The same for no two searches. The text is last, since it may hold anything. */
function keyOf({ text, limit, after }: Search): string {
  const place = after === undefined ? '' : `${after.acceptedAt}.${after.id}`
  return `${limit}:${place.length}:${place}${text}`
}

function outboxKeyOf({ limit, cursor = '' }: OutboxQuery): string {
  return `outbox:${limit}:${cursor}`
}
