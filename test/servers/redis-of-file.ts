import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { startRedis } from './start-redis.ts'

/** A Redis that the tests of one file share, with a client of theirs. */
export interface RedisOfFile {
  readonly url: string
  readonly client: Redis
}

/** Is there from the first test of the file to the last. */
export function redisOfFile(): RedisOfFile {
  let server: Awaited<ReturnType<typeof startRedis>> | undefined
  let client: Redis | undefined
  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.url)
  })
  afterAll(async () => {
    client?.disconnect()
    await server?.stop()
  })
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('the Redis of this file is there within its tests alone')
    return part
  }
  return {
    get url() {
      return there(server).url
    },
    get client() {
      return there(client)
    },
  }
}
