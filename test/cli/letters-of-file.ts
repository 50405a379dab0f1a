import { Redis } from 'ioredis'
import type { DeadLetters } from 'switchgear'
import { redisDeadLetters } from 'switchgear/redis'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type RedisNode, startRedisNode } from '../servers/redis-node.ts'

/** The dead letters of the fleet `alerts`, which the tests of one file share and leave empty. */
export interface LettersOfFile {
  readonly node: RedisNode
  readonly queue: DeadLetters
}

/** Are there from the first test of the file to the last. */
export function lettersOfFile(): LettersOfFile {
  let there: (LettersOfFile & { readonly client: Redis }) | undefined
  const here = (): LettersOfFile => {
    if (there === undefined) throw new Error('the letters of this file are there within its tests alone')
    return there
  }
  beforeAll(async () => {
    const node = await startRedisNode()
    const client = new Redis(node.url)
    there = { node, client, queue: redisDeadLetters({ connection: client, fleet: 'alerts', deadlineMs: 60_000 }) }
  })
  afterEach(async () => {
    await here().queue.purge({})
  })
  afterAll(async () => {
    await there?.queue.close?.()
    there?.client.disconnect()
    await there?.node.remove()
  })
  return {
    get node() {
      return here().node
    },
    get queue() {
      return here().queue
    },
  }
}
