import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { NewAlert } from '../../src/store/new-alert.ts'
import type { SearchPlace } from '../../src/store/search-alerts.ts'
import { dayOf } from '../../src/store/statistics.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

const dayMs = 86_400_000

let counter = 0
function alert(over: Partial<NewAlert> = {}): NewAlert {
  return {
    organization: 'acme',
    id: `alert-${(counter += 1)}`,
    dedupWindowMs: 60_000,
    maxAgeMs: 60_000,
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: 'No space is left',
    labels: {},
    receivers: [],
    ...over,
  }
}

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('what dashboards ask of %s', (_name, start) => {
  let server: TestDatabase
  let store: AlertStore

  beforeAll(async () => {
    server = await start()
    store = await openAlertStore(server.database, { worker: 'worker-1' })
  })
  afterAll(() => server.end())

  const acceptedAt = (id: string, at: number) =>
    server.database.query('UPDATE alerts SET accepted_at = $2 WHERE id = $1', [id, at])

  describe('numbers', () => {
    it('are nothing where there is nothing', async () => {
      expect(await store.overview('nobody')).toEqual({ total: 0, firing: 0, resolved: 0, bySeverity: {}, byType: {} })
      expect(await store.counts('nobody')).toEqual({ total: 0, firing: 0, resolved: 0 })
      expect(await store.distribution('nobody', 'type')).toEqual({})
      expect(await store.search({ organization: 'nobody', text: 'disk', limit: 5 })).toEqual({ items: [] })
    })

    it('are those of one organization, and agree with each other', async () => {
      const organization = 'numbers'
      const alerts = Array.from({ length: 60 }, (_, index) =>
        alert({
          organization,
          severity: (['critical', 'low', 'info'] as const)[index % 3] ?? 'info',
          status: index % 4 === 0 ? 'resolved' : 'firing',
          type: ['disk', 'constructor', '__proto__', 'cpu', "it's"][index % 5] ?? 'cpu',
        }),
      )
      await store.insert([alerts, [alert({ organization: 'another' })]])
      const twelve = 12
      const byType = Object.fromEntries(['disk', 'constructor', '__proto__', 'cpu', "it's"].map((of) => [of, twelve]))
      const bySeverity = { critical: 20, low: 20, info: 20 }
      const counts = { total: 60, firing: 45, resolved: 15 }
      expect(await store.overview(organization)).toEqual({ ...counts, bySeverity, byType })
      expect(await store.counts(organization)).toEqual(counts)
      expect(await store.distribution(organization, 'severity')).toEqual(bySeverity)
      expect(await store.distribution(organization, 'status')).toEqual({ firing: 45, resolved: 15 })
      expect(await store.distribution(organization, 'type')).toEqual(byType)
      expect(await store.counts('another')).toEqual({ total: 1, firing: 1, resolved: 0 })
    })

    it('tell at most 1,000 types apart, those of most alerts', async () => {
      const organization = 'types'
      const of = (index: number) => alert({ organization, type: `type-${index}` })
      await store.insert([Array.from({ length: 1_005 }, (_, index) => of(index)), [of(1_004), of(1_003)]])
      const { byType, total } = await store.overview(organization)
      expect([total, Object.keys(byType).length]).toEqual([1_007, 1_000])
      expect([byType['type-1004'], byType['type-1003']]).toEqual([2, 2])
      expect(await store.distribution(organization, 'type')).toEqual(byType)
    })
  })

  describe('trends', () => {
    it('count days of UTC, those also on which nothing came, oldest first', async () => {
      const organization = 'trends'
      const lastDay = dayOf(Date.now())
      const at = [lastDay * dayMs, (lastDay + 1) * dayMs - 1, lastDay * dayMs - 1, (lastDay - 6) * dayMs]
      const outside = [(lastDay - 6) * dayMs - 1, (lastDay + 1) * dayMs]
      for (const instant of [...at, ...outside]) {
        const given = alert({ organization })
        await store.insert([[given]])
        await acceptedAt(given.id, instant)
      }
      const series = await store.trends(organization, { days: 7, lastDay })
      expect(series.map(({ count }) => count)).toEqual([1, 0, 0, 0, 0, 1, 2])
      const dates = Array.from({ length: 7 }, (_, index) =>
        new Date((lastDay - 6 + index) * dayMs).toISOString().slice(0, 10),
      )
      expect(series.map(({ date }) => date)).toEqual(dates)
      expect(await store.trends(organization, { days: 90, lastDay })).toHaveLength(90)
    })
  })

  describe('a search', () => {
    const found = async (organization: string, text: string) =>
      (await store.search({ organization, text, limit: 50 })).items.map(({ id }) => id).toSorted()

    it('finds a text in the title, the message, the type, and in names and values of labels', async () => {
      const organization = 'search'
      const odd = String.raw`100% of C:\temp_1 "it's" ünï`
      const alerts = [
        alert({ organization, id: 'title', title: `a ${odd} b` }),
        alert({ organization, id: 'message', message: odd }),
        alert({ organization, id: 'type', type: odd }),
        alert({ organization, id: 'name', labels: { [odd]: 'x' } }),
        alert({ organization, id: 'value', labels: { x: odd } }),
        alert({ organization, id: 'none', title: String.raw`1000 of C:/tempx1 its`, labels: { a: 'b' } }),
        alert({ organization: 'other', id: 'foreign', title: odd }),
      ]
      await store.insert([alerts])
      const all = ['message', 'name', 'title', 'type', 'value']
      for (const text of [odd, '100%', String.raw`C:\temp_1`, '"IT\'S"', 'OF c:\\', 'ünï'])
        expect(await found(organization, text), text).toEqual(all)
      for (const text of ['"a"', '": "', '{', '%%', '__', 'x%'])
        expect(await found(organization, text), text).toEqual([])
      expect(await found(organization, '_')).toEqual(all)
    })

    it('gives alerts as they were stored', async () => {
      const given = alert({ organization: 'whole', dedupKey: 'k', occurredAt: 1, labels: { host: 'db-1' } })
      await store.insert([[given]])
      const { receivers: _none, dedupWindowMs: _window, maxAgeMs: _age, ...facts } = given
      const { items } = await store.search({ organization: 'whole', text: 'db-1', limit: 5 })
      expect(items).toEqual([{ ...facts, acceptedAt: expect.any(Number) as number }])
    })

    it('gives each alert once, page by page, the newest first', async () => {
      const organization = 'pages'
      const alerts = Array.from({ length: 47 }, () => alert({ organization }))
      for (const some of [alerts.slice(0, 20), alerts.slice(20)]) await store.insert([some])
      const pages = await pagesOf(organization, 'DISK', 10)
      const items = pages.flat()
      expect(pages.map(({ length }) => length)).toEqual([10, 10, 10, 10, 7])
      expect(new Set(items.map(({ id }) => id))).toEqual(new Set(alerts.map(({ id }) => id)))
      expect(items.map(({ acceptedAt: at }) => at)).toEqual(
        items.map(({ acceptedAt: at }) => at).toSorted((a, b) => b - a),
      )
    })

    it('looks through 10,000 alerts for a page, and goes on from there', async () => {
      const organization = 'many'
      await server.database.query(
        `INSERT INTO alerts (organization, id, severity, status, type, title, message, labels, accepted_at)
         SELECT $1, 'n' || n, 'low', 'firing', 'disk', CASE WHEN n = 1 THEN 'needle' ELSE 'hay' END, 'm', '{}', n
         FROM generate_series(1, 20000) n`,
        [organization],
      )
      expect((await pagesOf(organization, 'needle', 10)).map((page) => page.map(({ id }) => id))).toEqual([[], ['n1']])
      expect((await pagesOf(organization, 'nowhere', 10)).flat()).toEqual([])
    })

    async function pagesOf(organization: string, text: string, limit: number) {
      const pages = []
      let after: SearchPlace | undefined
      do {
        const page = await store.search({ organization, text, limit, after })
        pages.push(page.items)
        after = page.next
      } while (after !== undefined)
      return pages
    }
  })
})
