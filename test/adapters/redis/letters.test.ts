import { Redis } from 'ioredis'
import { lastValueFrom, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisLetters } from '../../../src/adapters/redis/letters.ts'
import { ConfigError } from '../../../src/kernel/errors.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { Letter, LetterDraft } from '../../../src/ports/dead-letters.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { writeLetter } from '../../../src/ports/letter.ts'
import type { RedriveWork } from '../../../src/ports/redrive-jobs.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisDeadLetters, type RedisDeadLettersOptions } from '../../../src/factories/redis-dead-letters.ts'
import { redisStores } from '../../../src/factories/redis-stores.ts'
import type { DeadLetters } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { startRedisNode } from '../../servers/redis-node.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { until } from '../../servers/until.ts'
import { lagWatch } from './lag-watch.ts'

const dayMs = 86_400_000

const redis = redisOfFile()
let fleets = 0

function draft(messageId: string): LetterDraft {
  return { organization: 'acme', channel: 'email', messageId, payload: { text: 'ü' }, error: new Error('failed') }
}

/** A fleet of its own. */
function freshFleet(): string {
  return `fleet-${(fleets += 1)}`
}

function lettersOf(fleet: string): LetterStore {
  const parts = { clock: systemClock, random: systemRandom }
  const connection = redisConnection({ url: redis.url }, parts, 'test')
  return redisLetters({ connection, fleet, retentionMs: 30 * 86_400_000, inTime: (ask) => ask(), clock: systemClock })
}

describe('the contract of the port', () => {
  // The machine may be busy: what these tests are about is what Redis keeps.
  portContracts.deadLetters(test, (bounds) =>
    redisDeadLetters({ url: redis.url, fleet: freshFleet(), deadlineMs: 60_000, ...bounds }),
  )
  portContracts.letterStore(test, () => lettersOf(freshFleet()))
})

describe('dead letters in Redis', () => {
  /** One instance of a fleet of its own, which is closed when it was used. */
  const withQueue = async (
    use: (queue: DeadLetters, fleet: string) => Promise<void>,
    options: Omit<RedisDeadLettersOptions, 'url' | 'fleet'> = {},
  ): Promise<void> => {
    const fleet = freshFleet()
    const queue = redisDeadLetters({ url: redis.url, fleet, deadlineMs: 60_000, ...options })
    try {
      await use(queue, fleet)
    } finally {
      await queue.close?.()
    }
  }

  test('stand as strings with a time to live, in indexes that hold nothing else, and in a feed', async () => {
    await withQueue(async (queue, fleet) => {
      await queue.enqueue({ ...draft('m'), organization: 'or{g}:100%', channel: 'a:b\nc', id: 'one' })
      const prefix = `sg:${fleet}:dl:{or%7Bg%7D%3A100%25}:`
      const cell = 'unknown:0:a%3Ab%0Ac'
      const keys = [`${prefix}l:one`, `${prefix}t`, `${prefix}i:${cell}`, `${prefix}cells`, `${prefix}s:unknown`]
      expect((await redis.client.keys(`sg:${fleet}:*`)).toSorted()).toEqual([...keys, `sg:${fleet}:dl:orgs`].toSorted())
      expect((await redis.client.get(`${prefix}l:one`))?.split('\n')).toEqual([
        `1 ${cell}`,
        expect.stringContaining('"messageId":"m"'),
        '{"text":"ü"}',
      ])
      for (const key of [`${prefix}l:one`, `${prefix}s:unknown`]) {
        const ttlMs = await redis.client.pttl(key)
        expect(ttlMs).toBeGreaterThan(30 * dayMs)
        expect(ttlMs).toBeLessThanOrEqual(31 * dayMs)
      }
      expect((await queue.list({ channel: 'a:b\nc' })).items).toHaveLength(1)
      expect(await redis.client.xrange(`${prefix}s:unknown`, '-', '+')).toEqual([[expect.any(String), ['id', 'one']]])
    })
  })

  test('leave for a day that they were delivered or purged, and nothing else', async () => {
    await withQueue(async (queue, fleet) => {
      await queue.enqueue({ ...draft('m'), id: 'one' })
      await queue.purge({})
      const tombstone = `sg:${fleet}:dl:{acme}:l:one`
      expect(await redis.client.get(tombstone)).toBe('gone')
      expect(await redis.client.pttl(tombstone)).toBeLessThanOrEqual(dayMs)
      const left = await redis.client.keys(`sg:${fleet}:*`)
      expect(left.toSorted()).toEqual([tombstone, `sg:${fleet}:dl:{acme}:s:unknown`, `sg:${fleet}:dl:orgs`].toSorted())
    })
  })

  test('are dropped when their retention is over, by whoever is there', async () => {
    const clock = virtualClock({ startAt: Date.now() })
    await withQueue(
      async (queue) => {
        await queue.enqueue({ ...draft('old') })
        await clock.advanceBy(1.5 * dayMs)
        await queue.enqueue({ ...draft('new') })
        expect(await queue.count()).toBe(2)
        await clock.advanceBy(dayMs)
        await until('the old one to be dropped', async () => (await queue.count()) === 1 || undefined)
        expect((await queue.list()).items.map(({ messageId }) => messageId)).toEqual(['new'])
      },
      { clock, retentionDays: 2 },
    )
  })

  test('of one instant are on one page each, whatever their ids and organizations are', async () => {
    await withQueue(
      async (queue) => {
        const ids = ['a', 'B', 'é', 'Z', '_', '💥', 'aa', 'A', '%', '{b}', ':', 'a\nb', 'a.b', '\u{10ffff}']
        for (const organization of ['acme', 'b{c}', 'Zeta'])
          for (const id of ids) await queue.enqueue({ ...draft(id), organization, id })
        for (const filter of [
          {},
          { organization: 'acme' },
          { organization: 'b{c}', channel: 'email' },
          { text: 'failed' },
        ])
          for (const limit of [1, 5]) {
            const seen: string[] = []
            let cursor: string | undefined
            do {
              const page = await queue.list(filter, { limit, cursor })
              seen.push(...page.items.map(({ id }) => id))
              cursor = page.next
            } while (cursor !== undefined)
            expect(new Set(seen).size).toBe(seen.length)
            expect(seen).toHaveLength('organization' in filter ? ids.length : 3 * ids.length)
          }
      },
      { clock: virtualClock({ startAt: Date.now() }) },
    )
  })

  test('on more channels than can be gone through side by side are listed and counted all the same', async () => {
    await withQueue(async (queue) => {
      const nths = Array.from({ length: 700 }, (_, nth) => nth)
      await Promise.all(nths.map((nth) => queue.enqueue({ ...draft(`m${nth}`), channel: `channel-${nth % 70}` })))
      await queue.park({ channel: 'channel-7' })
      const filter = { organization: 'acme', errorType: 'unknown', parked: false } as const
      expect(await queue.count(filter)).toBe(690)
      const seen = new Set<string>()
      let cursor: string | undefined
      do {
        const page = await queue.list(filter, { limit: 100, cursor })
        for (const { id } of page.items) seen.add(id)
        cursor = page.next
      } while (cursor !== undefined)
      expect(seen.size).toBe(690)
      expect((await queue.stats()).rows).toHaveLength(70)
    })
  })

  test('are told of in a feed for each error type, which is cut where their retention is over', async () => {
    const clock = virtualClock({ startAt: Date.now() })
    await withQueue(
      async (queue, fleet) => {
        const feed = `sg:${fleet}:dl:{acme}:s:`
        await queue.enqueue({ ...draft('m'), id: 'first' })
        const timeout = Object.assign(new Error('late'), { code: 'ETIMEDOUT' })
        const to = (): Promise<never> => Promise.reject(timeout)
        await new Promise((resolve) =>
          queue.redrive({}, { to, retry: { maxAttempts: 1 } }).subscribe({ complete: () => resolve(0) }),
        )
        expect((await redis.client.xrange(`${feed}timeout`, '-', '+')).map(([, fields]) => fields)).toEqual([
          ['id', 'first'],
        ])
        for (let nth = 0; nth < 300; nth += 1) await queue.enqueue(draft(`m${nth}`))
        expect(await redis.client.xlen(`${feed}unknown`)).toBe(301)
        await clock.advanceBy(31 * dayMs)
        await queue.enqueue(draft('m'))
        expect(await redis.client.xlen(`${feed}unknown`)).toBeLessThan(110)
      },
      { clock, sweepEveryMs: 2 ** 31 - 1 },
    )
  })

  test('that are older than those that were there before them are swept within an hour of their time', async () => {
    const store = lettersOf(freshFleet())
    const hourMs = 3_600_000
    const add = (id: string, at: number): Promise<unknown> =>
      store.add(writeLetter({ ...draft('m'), id }, { at, newId: () => id, bodyBytesMax: 100 }), { lettersMax: 10 })
    await add('young', 100 * hourMs)
    expect(await store.sweep(hourMs)).toBe(0)
    await add('restored', hourMs + 1)
    expect(await store.sweep(hourMs + 60_000)).toBe(0)
    expect(await store.sweep(2 * hourMs)).toBe(1)
    expect(await store.get('acme.restored')).toBe(undefined)
    await store.close?.()
  })

  test('that a worker left behind are found behind many that others have in their hands', async () => {
    const store = lettersOf(freshFleet())
    const ids = Array.from({ length: 1_501 }, (_, nth) => `acme.${nth}`)
    await Promise.all(
      ids.map((id, nth) => {
        const making = { at: 1_000 + nth, newId: () => id, bodyBytesMax: 100 }
        return store.add(writeLetter({ ...draft('m'), id: `${nth}` }, making), { lettersMax: 10_000 })
      }),
    )
    const id = 'acme.job'
    await store.jobs.start({ id, organization: 'acme', of: { ids }, total: 1_501, maxRedrives: 5, startedAt: 1 })
    for (let at = 0; at < ids.length; at += 500)
      await store.jobs.feed(id, at === 0 ? undefined : `${at}`, ids.slice(at, at + 500), `${at + 500}`)
    const take = async (count: number, leaseMs: number): Promise<readonly RedriveWork[]> =>
      (await store.jobs.take(id, { by: 'w', count, leaseMs }))?.work ?? []
    await take(1_500, 600_000)
    const [left] = await take(1, 1)
    expect(left?.letter.header.id).toBe('acme.1500')
    const [found] = await until('it to be found', async () => {
      const work = await take(1, 600_000)
      return work.length === 0 ? undefined : work
    })
    expect(found?.letter.header.id).toBe('acme.1500')
    await store.close?.()
  })

  test('are sent again, and redrives ended, while Redis has no room for more', async () => {
    const full = await startRedis()
    const admin = new Redis(full.url)
    const queue = redisDeadLetters({ url: full.url, deadlineMs: 60_000 })
    for (let nth = 0; nth < 20; nth += 1) await queue.enqueue({ ...draft('m'), id: `${nth}` })
    const [other] = await queue.redrives.start({ organization: 'acme' })
    await admin.config('SET', 'maxmemory', 1)
    await expect(queue.enqueue(draft('m'))).rejects.toThrow('OOM')
    const to = async ({ id }: Letter): Promise<void> => {
      if (id === 'acme.7') throw new Error('not this one')
    }
    const events = await lastValueFrom(queue.redrive({}, { to }).pipe(toArray()))
    expect(events.filter(({ status }) => status === 'delivered')).toHaveLength(19)
    expect((await queue.list()).items).toMatchObject([{ id: 'acme.7', redriveCount: 1 }])
    expect(await queue.redrives.cancel(other?.id ?? '')).toBe(true)
    await queue.close?.()
    admin.disconnect()
    await full.stop()
  })

  test('are there through a connection of the caller, with a prefix of its own, which stays open', async () => {
    const connection = new Redis(redis.url, { keyPrefix: 'own:' })
    const queue = redisDeadLetters({ connection, fleet: freshFleet(), deadlineMs: 60_000 })
    await queue.enqueue({ ...draft('m'), id: 'one' })
    expect(await queue.get('acme.one')).toMatchObject({ messageId: 'm' })
    expect((await queue.list({ text: 'failed' })).items).toHaveLength(1)
    expect(await queue.stats()).toMatchObject({ total: 1 })
    expect(await queue.purge({})).toBe(1)
    expect((await redis.client.keys(`sg:*`)).filter((key) => key.includes(queue.fleet ?? ''))).toEqual([])
    await queue.close?.()
    expect(await connection.ping()).toBe('PONG')
    connection.disconnect()
  })

  test('are listed for everybody again after Redis has lost everything', async () => {
    await withQueue(async (queue) => {
      await queue.enqueue(draft('before'))
      await redis.client.flushall()
      await queue.enqueue(draft('after'))
      expect((await queue.list()).items.map(({ messageId }) => messageId)).toEqual(['after'])
    })
  })

  test('go on when Redis has forgotten the scripts', async () => {
    await withQueue(async (queue) => {
      await queue.enqueue(draft('m'))
      await redis.client.script('FLUSH')
      await queue.enqueue(draft('m'))
      expect(await queue.count()).toBe(2)
    })
  })

  test('of 1 MiB are stored and listed, a few at a time', async () => {
    await withQueue(async (queue) => {
      const payload = 'ü'.repeat(524_288)
      for (let nth = 0; nth < 12; nth += 1) await queue.enqueue({ ...draft(`m${nth}`), payload })
      const { items, next } = await queue.list({}, { limit: 12 })
      expect(items.every((letter) => letter.payload === payload)).toBe(true)
      expect([items.length, next]).toEqual([12, undefined])
      expect((await queue.list({ organization: 'acme', text: 'failed' })).items).toHaveLength(12)
    })
  })

  test('are refused with UnavailableError, in time, while Redis is frozen', async () => {
    const node = await startRedisNode()
    const queue = redisDeadLetters({ url: node.url, deadlineMs: 100 })
    await queue.enqueue(draft('m'))
    node.freeze()
    const lag = lagWatch()
    const startedAt = performance.now()
    const calls = [queue.enqueue(draft('m')), queue.list(), queue.count(), queue.get('acme.x')]
    for (const settled of await Promise.allSettled(calls))
      expect(settled).toMatchObject({ status: 'rejected', reason: { name: 'UnavailableError' } })
    expect(performance.now() - startedAt).toBeLessThan(250 + 2 * lag())
    node.thaw()
    await until('a letter to be taken again', async () => (await queue.enqueue(draft('m'))) && true)
    await queue.close?.()
    await node.remove()
  })

  test.each([
    {},
    { url: 'http://127.0.0.1' },
    { url: 'redis://127.0.0.1', fleet: 'a b' },
    { url: 'redis://127.0.0.1', deadlineMs: 0 },
    { url: 'redis://127.0.0.1', spill: {} },
    { url: 'redis://127.0.0.1', lettersMax: 0 },
    { url: 'redis://127.0.0.1', retention: 1 },
  ])('are not made of %o', (options) => {
    expect(() => redisDeadLetters(options as RedisDeadLettersOptions)).toThrow(ConfigError)
  })
})

describe('all stores in Redis', () => {
  test('share one connection, and another for the news of the cache, which are closed with the last of them', async () => {
    const node = await startRedisNode()
    const observer = new Redis(node.url)
    const others = async (): Promise<number> =>
      Number(/connected_clients:(\d+)/.exec(await observer.info('clients'))?.[1]) - 1
    const { limiter, deadLetters, cache } = redisStores({
      url: node.url,
      fleet: 'one',
      deadlineMs: 60_000,
      instance: 'a',
      kinds: { slow: { ttlMs: 1_000, scope: 'stats' } },
      maxRedrives: 3,
    })
    expect([limiter.fleet, deadLetters.fleet, cache.fleet]).toEqual(['one', 'one', 'one'])
    expect(await cache.wrap({ organization: 'acme', kind: 'stats', key: 'day' }, () => 7)).toBe(7)
    await deadLetters.enqueue(draft('m'))
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
    expect(await others()).toBe(2)
    await Promise.all([limiter.close?.(), cache.close?.()])
    expect(await deadLetters.count()).toBe(1)
    await deadLetters.close?.()
    await until('the connection to be closed', async () => (await others()) === 0 || undefined)
    observer.disconnect()
    await node.remove()
  })
})
