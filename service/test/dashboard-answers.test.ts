import { memoryCache } from 'switchgear'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Dashboards, dashboards, type DashboardStore } from '../src/cache/dashboards.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-29T23:59:59Z') }))
afterEach(() => void vi.useRealTimers())

/** What is asked of the store, in order. */
function watched(): { readonly ask: Dashboards; readonly asked: readonly unknown[] } {
  const asked: unknown[] = []
  const note = (...question: unknown[]): void => void asked.push(question)
  const store: DashboardStore = {
    async overview(organization) {
      note('overview', organization)
      return { total: 0, firing: 0, resolved: 0, bySeverity: {}, byType: {} }
    },
    async distribution(organization, by) {
      note('distribution', organization, by)
      return {}
    },
    async trends(organization, of) {
      note('trends', organization, of)
      return []
    },
    async counts(organization) {
      note('counts', organization)
      return { total: 0, firing: 0, resolved: 0 }
    },
    async search(search) {
      note('search', search)
      return { items: [] }
    },
    async outbox(query) {
      note('outbox', query)
      return { items: [] }
    },
  }
  return { ask: dashboards(store, memoryCache()), asked }
}

it('What is asked twice is asked of the store once, and no two questions are taken for one', async () => {
  const { ask, asked } = watched()
  const place = { acceptedAt: 1, id: 'a' }
  const questions: (() => Promise<unknown>)[] = [
    ...['acme', 'globex'].flatMap((organization) => [
      () => ask.overview(organization),
      () => ask.counts(organization),
      () => ask.distribution(organization, 'type'),
      () => ask.distribution(organization, 'status'),
      () => ask.trends(organization, 7),
      () => ask.trends(organization, 90),
      () => ask.search({ organization, text: 'disk', limit: 1 }),
      () => ask.search({ organization, text: 'disk', limit: 11 }),
      () => ask.search({ organization, text: '1:disk', limit: 1 }),
      () => ask.search({ organization, text: 'disk', limit: 1, after: place }),
      () => ask.search({ organization, text: 'disk', limit: 1, after: { ...place, acceptedAt: 2 } }),
      () => ask.search({ organization, text: 'disk', limit: 1, after: { ...place, id: 'ad' } }),
      () => ask.search({ organization, text: 'ddisk', limit: 1, after: place }),
      () => ask.search({ organization, text: '1.adisk', limit: 1 }),
      () => ask.outbox({ organization, limit: 10 }),
      () => ask.outbox({ organization, limit: 20 }),
      () => ask.outbox({ organization, limit: 10, cursor: 'm-1' }),
    ]),
    () => ask.outbox({ limit: 10 }),
    () => ask.outbox({ limit: 10, cursor: 'm-1' }),
  ]
  for (const question of [...questions, ...questions]) await question()
  expect(asked).toHaveLength(questions.length)
  expect(new Set(asked.map((question) => JSON.stringify(question))).size).toBe(questions.length)
})

it('The trends of yesterday are not those of today', async () => {
  const { ask, asked } = watched()
  await ask.trends('acme', 7)
  vi.setSystemTime(Date.parse('2026-11-30T00:00:00Z'))
  await ask.trends('acme', 7)
  expect(asked).toHaveLength(2)
})
