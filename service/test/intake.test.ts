import fc from 'fast-check'
import { memoryLimiter, OverCapacityError } from 'switchgear'
import { describe, expect, it, vi } from 'vitest'
import { organizationsOf } from '../src/config/organizations.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { firstJsonError } from '../src/json/first-json-error.ts'
import { alertIntake } from '../src/intake/accept-alerts.ts'
import type { AlertDraft } from '../src/intake/alert-schema.ts'
import { fingerprint } from '../src/intake/fingerprint.ts'
import { groupCommit } from '../src/intake/group-commit.ts'
import { route } from '../src/routing/route.ts'
import type { NewAlert } from '../src/store/new-alert.ts'

const draft: AlertDraft = {
  organization: 'acme',
  severity: 'high',
  status: 'firing',
  type: 'disk',
  title: 'Disk full',
  message: 'No space',
  labels: { team: 'payments', region: 'eu' },
}

describe('group commit', () => {
  it('writes what comes during a write together, and answers each its own', async () => {
    const batches: number[][] = []
    const commits = groupCommit<number, number>({
      async commit(requests) {
        batches.push([...requests])
        await new Promise((resolve) => setImmediate(resolve))
        return requests.map((request) => request * 10)
      },
      sizeOf: () => 1,
      keysOf: () => [],
    })
    const first = commits.submit(1)
    await vi.waitUntil(() => batches.length > 0)
    const others = [2, 3, 4].map((request) => commits.submit(request))
    expect(await Promise.all([first, ...others])).toEqual([10, 20, 30, 40])
    expect(batches).toEqual([[1], [2, 3, 4]])
  })

  it('never puts two requests with the same key into one batch, and keeps their order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4), { maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        async (keys, batchMax) => {
          const written: { key: number; index: number }[] = []
          const commits = groupCommit<{ key: number; index: number }, number>({
            async commit(requests) {
              expect(new Set(requests.map(({ key }) => key)).size).toBe(requests.length)
              expect(requests.length).toBeLessThanOrEqual(batchMax)
              written.push(...requests)
              return requests.map(({ index }) => index)
            },
            sizeOf: () => 1,
            keysOf: ({ key }) => [String(key)],
            batchMax,
          })
          const answers = await Promise.all(keys.map((key, index) => commits.submit({ key, index })))
          expect(answers).toEqual(keys.map((_key, index) => index))
          for (const key of new Set(keys)) {
            const order = written.filter((request) => request.key === key).map(({ index }) => index)
            expect(order).toEqual(order.toSorted((a, b) => a - b))
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('fails all of a batch whose write failed, and goes on', async () => {
    let fail = true
    const commits = groupCommit<number, number>({
      async commit(requests) {
        if (fail) throw new Error('the disk is full')
        return requests.map((request) => request)
      },
      sizeOf: () => 1,
      keysOf: () => [],
    })
    const failed = await Promise.allSettled([commits.submit(1), commits.submit(2)])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    fail = false
    expect(await commits.submit(3)).toBe(3)
  })

  it('refuses at once what is past its bound, and takes it when there is room again', async () => {
    const finishes: (() => void)[] = []
    const commits = groupCommit<number, number>({
      commit: (requests) => new Promise((resolve) => finishes.push(() => resolve(requests.map(() => 0)))),
      sizeOf: (size) => size,
      keysOf: () => [],
      batchMax: 5,
      waitingMax: 10,
    })
    const writing = async (count: number) => vi.waitUntil(() => finishes.length === count)
    const taken = [commits.submit(5)]
    await writing(1)
    taken.push(commits.submit(5), commits.submit(5))
    await expect(commits.submit(5)).rejects.toBeInstanceOf(OverCapacityError)
    finishes[0]?.()
    await writing(2)
    taken.push(commits.submit(5))
    for (const count of [2, 3, 4]) {
      await writing(count)
      finishes[count - 1]?.()
    }
    expect(await Promise.all(taken)).toEqual([0, 0, 0, 0])
  })
})

describe('the fingerprint of an alert', () => {
  it('does not depend on the order of keys', () => {
    const { organization, severity, ...rest } = draft
    const turned = { ...rest, labels: { region: 'eu', team: 'payments' }, severity, organization }
    expect(Object.keys(turned)).not.toEqual(Object.keys(draft))
    expect(fingerprint(turned)).toBe(fingerprint(draft))
  })

  it.each([
    ['title', { ...draft, title: 'Disk fuller' }],
    ['a label', { ...draft, labels: { team: 'payments', region: 'us' } }],
    ['no labels', { ...draft, labels: undefined }],
    ['when it occurred', { ...draft, occurredAt: 1 }],
  ])('differs with %s', (_what, other) => expect(fingerprint(other)).not.toBe(fingerprint(draft)))
})

describe('routing', () => {
  const organizationWith = (over: object) => {
    const receivers = ['a', 'b', 'c'].map((name) => ({ name, channel: 'slack' }))
    const file = parseConfig(JSON.stringify({ organizations: { acme: { receivers, ...over } } }), 'test')
    const organization = organizationsOf(file, {}).get('acme')
    if (organization === undefined) throw new Error('acme is gone')
    return organization
  }
  const routed = (over: object, alert = draft, nowAt = 0) =>
    route(organizationWith(over), alert, nowAt).map(({ receiver: { name }, silenced }) =>
      silenced ? `${name}!` : name,
    )

  it.each([
    ['without routes everybody', {}, ['a', 'b', 'c']],
    ['no route that matches: nobody', { routes: [{ match: { severity: 'low' }, to: ['a'] }] }, []],
    ['a route without a match: always', { routes: [{ to: ['b'] }] }, ['b']],
    ['one value', { routes: [{ match: { severity: 'high' }, to: ['a'] }] }, ['a']],
    ['one of several', { routes: [{ match: { severity: ['low', 'high'] }, to: ['a'] }] }, ['a']],
    [
      'the union, each once',
      { routes: [{ to: ['c', 'a'] }, { match: { type: 'disk' }, to: ['a', 'b'] }] },
      ['a', 'b', 'c'],
    ],
    ['all conditions or nothing', { routes: [{ match: { type: 'disk', status: 'resolved' }, to: ['a'] }] }, []],
    ['labels', { routes: [{ match: { labels: { team: ['payments', 'x'], region: 'eu' } }, to: ['a'] }] }, ['a']],
    ['a label that is not there', { routes: [{ match: { labels: { toString: 'x' } }, to: ['a'] }] }, []],
    ['to the letter', { routes: [{ match: { type: 'Disk' }, to: ['a'] }] }, []],
  ])('%s', (_what, over, expected) => expect(routed(over)).toEqual(expected))

  it('silences what a silence matches, until its time is over', () => {
    const silences = [{ match: { type: 'disk' }, until: '2026-12-01T00:00:00Z', by: 'ann', reason: 'migration' }]
    const over = { silences, routes: [{ to: ['a'] }] }
    const end = Date.parse('2026-12-01T00:00:00Z')
    expect(routed(over, draft, end - 1)).toEqual(['a!'])
    expect(routed(over, draft, end)).toEqual(['a'])
    expect(routed(over, { ...draft, type: 'cpu' }, end - 1)).toEqual(['a'])
  })

  describe('in groups', () => {
    const grouped = (over: object, alert = draft, nowAt = 0) =>
      new Map(route(organizationWith(over), alert, nowAt).map(({ receiver: { name }, group }) => [name, group]))
    const by = { routes: [{ to: ['a', 'b'], groupBy: ['type', 'team', 'labels.region'] }] }
    const keyOf = (alert = draft, of = by) => grouped(of, alert).get('a')?.key

    it('puts alerts together that have the same status and the same values of what is named', () => {
      expect(keyOf({ ...draft, title: 'Other', severity: 'low', occurredAt: 5 })).toBe(keyOf())
      expect(keyOf({ ...draft, labels: { ...draft.labels, host: 'db-1' } })).toBe(keyOf())
      const others = [
        { ...draft, type: 'cpu' },
        { ...draft, status: 'resolved' as const },
        { ...draft, labels: { team: 'payments', region: 'us' } },
        { ...draft, labels: { team: 'payments' } },
        { ...draft, labels: {} },
      ].map((alert) => keyOf(alert))
      expect(new Set([...others, keyOf()]).size).toBe(others.length + 1)
    })

    it('keeps receivers and routes apart', () => {
      const groups = grouped(by)
      expect(groups.get('a')?.key).not.toBe(groups.get('b')?.key)
      expect(keyOf(draft, { routes: [{ to: ['a'], groupBy: ['type'] }] })).not.toBe(keyOf())
    })

    it('waits as the first route says that names a receiver, and 5 s where it does not', () => {
      const routes = [{ to: ['a'] }, { to: ['a', 'b'], groupWaitMs: 70 }, { to: ['b', 'c'], groupBy: ['type'] }]
      const groups = grouped({ routes })
      expect(['a', 'b', 'c'].map((name) => groups.get(name)?.waitMs)).toEqual([undefined, 70, 5_000])
    })

    it('does not wait with what is silenced', () => {
      const silences = [{ match: {}, until: '2026-12-01T00:00:00Z', by: 'ann', reason: 'migration' }]
      expect([...grouped({ ...by, silences }).values()]).toEqual([undefined, undefined])
    })
  })
})

describe('intake', () => {
  it('stores nothing of a request that names an organization which is not known', async () => {
    const inserted: (readonly NewAlert[])[] = []
    const file = parseConfig(JSON.stringify({ organizations: { acme: { receivers: [] } } }), 'test')
    const intake = alertIntake({
      organizations: organizationsOf(file, {}),
      store: {
        async insert(requests) {
          inserted.push(...requests)
          return requests.map((request) => ({ status: 'accepted', alerts: request.map(({ id }) => ({ id })) }))
        },
        findKnown: async () => new Set(),
      },
      limiter: memoryLimiter(),
      onStored: () => {},
    })
    expect(await intake.accept([draft, { ...draft, organization: 'globex' }])).toEqual({
      status: 'unknownOrganization',
      index: 1,
      organization: 'globex',
    })
    expect(inserted).toEqual([])
    expect(await intake.accept([draft])).toMatchObject({ status: 'accepted' })
    expect(inserted).toHaveLength(1)
  })
})

describe('the place where a text stops being JSON', () => {
  it('is its end for whatever is JSON, and is somewhere else than in what came before', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, cut) => {
        expect(firstJsonError(text)).toBe(text.length)
        const end = cut % (text.length + 1)
        const torn = `${text.slice(0, end)}\u0001`
        const at = firstJsonError(torn)
        expect(at).toBeLessThanOrEqual(end)
        expect(() => void JSON.parse(torn)).toThrow()
      }),
      { numRuns: 1_000 },
    )
  })

  it('is found in what is nested deeper than any stack', () => {
    expect(firstJsonError('['.repeat(500_000))).toBe(500_000)
  })
})
