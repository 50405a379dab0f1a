import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { memoryCache } from 'switchgear'
import { sized } from '../../test/sized.ts'
import { until } from '../../test/servers/until.ts'
import { cacheInvalidations } from '../src/cache/cache-invalidations.ts'
import { dashboards, type Dashboards } from '../src/cache/dashboards.ts'
import { type AlertStore, openAlertStore } from '../src/store/alert-store.ts'
import type { Database } from '../src/store/database.ts'
import { dayOf } from '../src/store/statistics.ts'
import { startPglite, startPostgres } from './store/start-databases.ts'

const silent = { info: () => {}, warn: () => {}, error: () => {} }
const organization = `polled-${process.pid}-${Date.now()}`
const forMs = sized(3_000, 6_000)
const destination = `outbox:${organization}`
const search = { organization, text: 'disk', limit: 20 }

/** A database that counts what is asked of it to read. */
function counting(database: Database): { readonly database: Database; reads(): number } {
  let count = 0
  const query: Database['query'] = (sql, parameters) => {
    if (/^\s*(?:SELECT|WITH each)/.test(sql)) count += 1
    return database.query(sql, parameters)
  }
  return { database: { ...database, query }, reads: () => count }
}

/** What some dashboard asks for, from the cache and from the store itself. */
interface Page {
  /** How many there are, and how often each asks, in ms. */
  readonly polling: { readonly dashboards: number; readonly everyMs: number }
  /** The least time between two invalidations, in ms. */
  readonly invalidatedEveryMs: number
  readonly cached: (ask: Dashboards) => Promise<{ readonly value: unknown }>[]
  readonly direct: (store: AlertStore) => readonly (() => Promise<unknown>)[]
}

/**
 * What our own page has from the store, every 10 s: how many alerts are kept, and the newest of the outbox. The rest that it
 * polls is in memory, or with the dead letters. Here all goes 20 times as fast, and 50 are open.
 */
const ownPage: Page = {
  polling: { dashboards: 50, everyMs: 10_000 / 20 },
  invalidatedEveryMs: 1_000 / 20,
  cached: (ask) => [ask.overview(organization), ask.outbox({ limit: 10 })],
  direct: (store) => [() => store.overview(organization), () => store.outbox({ limit: 10 })],
}

/** One that has all there is under `/v1/stats`, and a search. */
const everything: Page = {
  polling: { dashboards: 5, everyMs: 250 },
  invalidatedEveryMs: 1_000,
  cached: (ask) => [
    ask.overview(organization),
    ask.search(search),
    ask.outbox({ organization, limit: 10 }),
    ask.counts(organization),
    ask.distribution(organization, 'severity'),
    ask.distribution(organization, 'type'),
    ask.trends(organization, 30),
  ],
  direct: (store) => [
    () => store.overview(organization),
    () => store.search(search),
    () => store.outbox({ organization, limit: 10 }),
    () => store.counts(organization),
    () => store.distribution(organization, 'severity'),
    () => store.distribution(organization, 'type'),
    () => store.trends(organization, { days: 30, lastDay: dayOf(Date.now()) }),
  ],
}

/** The same without a cache. */
async function pageOf(page: Page, store: AlertStore): Promise<readonly unknown[]> {
  const values: unknown[] = []
  for (const look of page.direct(store)) values.push(await look())
  return values
}

const valuesOf = async (page: Page, ask: Dashboards): Promise<readonly unknown[]> =>
  (await Promise.all(page.cached(ask))).map(({ value }) => value)

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('dashboards that poll %s', (name, start) => {
  it.each([
    ['our own page', ownPage],
    ['all of the statistics', everything],
  ])(
    'cost it under a third of the queries for %s while alerts come and go, and end with its numbers',
    async (what, page) => {
      const server = await start()
      const cache = memoryCache()
      const invalidations = cacheInvalidations({ cache, logger: silent, everyMs: page.invalidatedEveryMs })
      const { database, reads } = counting(server.database)
      const store = await openAlertStore(database, { worker: 'w', onChange: invalidations.changed })
      const ask = dashboards(store, cache)

      const before = reads()
      await pageOf(page, store)
      const ofOnePage = reads() - before

      const startedAt = reads()
      const endAt = performance.now() + forMs
      let pages = 0
      let stored = 0
      /** They were not opened at the same moment. */
      const poll = async (_: unknown, index: number): Promise<void> => {
        await sleep((page.polling.everyMs * index) / page.polling.dashboards)
        while (performance.now() < endAt) {
          await Promise.all(page.cached(ask))
          pages += 1
          await sleep(page.polling.everyMs)
        }
      }
      const fill = async (): Promise<void> => {
        while (performance.now() < endAt) {
          await keepOne(store, `${what}-${(stored += 1)}`, stored)
          await sleep(50)
        }
      }
      await Promise.all([...Array.from({ length: page.polling.dashboards }, poll), fill()])
      const cached = reads() - startedAt
      const uncached = pages * ofOnePage
      process.stdout.write(
        `${name}, ${what}: ${pages} pages, ${stored} alerts meanwhile: ${cached} queries instead of ${uncached}, ` +
          `${((1 - cached / uncached) * 100).toFixed(1)} % fewer\n`,
      )
      expect(cached).toBeLessThan(uncached * 0.3)

      // The last change is followed by an invalidation: then all that is shown is what stands there.
      const truth = JSON.stringify(await pageOf(page, store))
      await until('the numbers of the database', async () =>
        JSON.stringify(await valuesOf(page, ask)) === truth ? true : undefined,
      )
      await invalidations.stop()
      await server.end()
    },
  )
})

/** An alert whose message ends in the outbox. */
async function keepOne(store: AlertStore, id: string, index: number): Promise<void> {
  await store.insert([[alertOf(id, index)]])
  await store.claim([{ destination, count: 10 }])
  await store.record([
    { id: `${organization}-${id}`, state: 'delivered', reason: 'outbox', attempts: [], reached: [], outbox: { index } },
  ])
}

function alertOf(id: string, index: number) {
  return {
    organization,
    id,
    dedupWindowMs: 0,
    maxAgeMs: 60_000,
    severity: index % 2 === 0 ? ('high' as const) : ('low' as const),
    status: 'firing' as const,
    type: `disk-${index % 7}`,
    title: 'Disk full',
    message: 'No space is left',
    labels: {},
    receivers: [{ id: `${organization}-${id}`, name: 'room', channel: 'slack' as const, destination }],
  }
}
