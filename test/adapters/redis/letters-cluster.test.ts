import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisLetters } from '../../../src/adapters/redis/letters.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { LetterDraft } from '../../../src/ports/dead-letters.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisDeadLetters } from '../../../src/factories/redis-dead-letters.ts'
import type { DeadLetters } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { type RedisCluster, startRedisCluster } from '../../servers/redis-cluster.ts'
import { until } from '../../servers/until.ts'

let cluster: RedisCluster
let fleets = 0

beforeAll(async () => {
  cluster = await startRedisCluster()
})

afterAll(async () => {
  await cluster?.remove()
})

function freshFleet(): string {
  return `fleet-${(fleets += 1)}`
}

function queueOf(fleet: string): DeadLetters {
  return redisDeadLetters({ url: cluster.urls, fleet, deadlineMs: 10_000 })
}

function draft(organization: string, nth: number): LetterDraft {
  return {
    organization,
    channel: 'email',
    messageId: `m${nth}`,
    id: `l${nth}`,
    payload: { nth },
    error: new Error('no'),
  }
}

describe('the contract of the port, in a cluster of three masters and three replicas', () => {
  portContracts.deadLetters(test, (bounds) =>
    redisDeadLetters({ url: cluster.urls, fleet: freshFleet(), deadlineMs: 10_000, ...bounds }),
  )
  portContracts.letterStore(test, () => {
    const connection = redisConnection({ url: cluster.urls }, { clock: systemClock, random: systemRandom }, 'test')
    return redisLetters({
      connection,
      fleet: freshFleet(),
      retentionMs: 30 * 86_400_000,
      inTime: (ask) => ask(),
      clock: systemClock,
    })
  })
})

describe('a cluster of three masters and three replicas', () => {
  test('has organizations on all of its nodes, and lists and counts them together', async () => {
    const queue = queueOf(freshFleet())
    const organizations = Array.from({ length: 12 }, (_, nth) => `organization-${nth}`)
    await Promise.all(organizations.flatMap((name) => [0, 1, 2].map((nth) => queue.enqueue(draft(name, nth)))))
    expect(await queue.count()).toBe(36)
    const first = await queue.list({}, { limit: 20 })
    const second = await queue.list({}, { limit: 20, cursor: first.next })
    expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(36)
    expect(second.next).toBe(undefined)
    expect((await queue.stats()).rows).toHaveLength(12)
    expect(await queue.purge({})).toBe(36)
    await queue.close?.()
  })

  test('loses nothing that a replica has acknowledged when a master is killed, and goes on by itself', async () => {
    const fleet = freshFleet()
    const queue = redisDeadLetters({ url: cluster.urls, fleet })
    const master = await cluster.masterOf(`sg:${fleet}:dl:{acme}:t`)
    const enqueued: string[] = []
    /** As callers do: again, with the same id, until it is stored. */
    const enqueue = (nth: number): Promise<true> =>
      until('a letter to be stored', async () => {
        enqueued.push((await queue.enqueue(draft('acme', nth))).id)
        return true as const
      })
    await Promise.all(Array.from({ length: 500 }, (_, nth) => enqueue(nth)))
    const acknowledged = [...enqueued]
    const observer = new Redis(master.url).on('error', () => {})
    expect(await until('a replica to acknowledge', async () => (await observer.wait(1, 5_000)) || undefined)).toBe(1)
    observer.disconnect()

    const during = Array.from({ length: 500 }, (_, nth) => enqueue(1_000 + nth))
    await master.kill()
    const refusal: unknown = await until('a call that the cluster cannot answer', async () => {
      try {
        await queue.enqueue(draft('acme', 9_999))
        return undefined
      } catch (error) {
        return error
      }
    })
    expect(refusal).toBeInstanceOf(UnavailableError)
    await Promise.all(during)
    await Promise.all(Array.from({ length: 100 }, (_, nth) => enqueue(2_000 + nth)))

    const there = new Set<string>()
    let cursor: string | undefined
    do {
      const page = await queue.list({ organization: 'acme' }, { limit: 500, cursor })
      for (const { id } of page.items) there.add(id)
      cursor = page.next
    } while (cursor !== undefined)
    const lost = enqueued.filter((id) => !there.has(id))
    console.info(`of ${enqueued.length} letters around a failover ${lost.length} are lost, none that a replica had`)
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
    expect(await queue.count({ organization: 'acme' })).toBe(there.size)
    expect(await queue.count({ organization: 'acme', channel: 'email' })).toBe(there.size)
    await queue.close?.()
  })
})
