import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisLetters } from '../../../src/adapters/redis/letters.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisDeadLetters } from '../../../src/redis-dead-letters.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { startRedis } from '../../servers/start-redis.ts'

let server: Awaited<ReturnType<typeof startRedis>>
let client: Redis
let fleets = 0

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})

afterAll(async () => {
  client.disconnect()
  await server.stop()
})

/** A fleet of its own. */
function freshFleet(): string {
  return `fleet-${(fleets += 1)}`
}

function lettersOf(fleet: string): LetterStore {
  const parts = { clock: systemClock, random: systemRandom }
  const connection = redisConnection({ url: server.url }, parts, 'test')
  return redisLetters({ connection, fleet, retentionMs: 30 * 86_400_000, inTime: (ask) => ask(), clock: systemClock })
}

describe('the contract of the port', () => {
  // The machine may be busy: what these tests are about is what Redis keeps.
  portContracts.deadLetters(test, (bounds) =>
    redisDeadLetters({ url: server.url, fleet: freshFleet(), deadlineMs: 5_000, ...bounds }),
  )
  portContracts.letterStore(test, () => lettersOf(freshFleet()))
})
