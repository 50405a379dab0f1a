import { redisCache } from 'switchgear/redis'
import { startRedisNode } from '../test/servers/redis-node.ts'
import { kind, organization, ttlMs } from './cache-peers.ts'
import type { Measured } from './harness.ts'

const deadlineMs = 50

/** How much longer than its deadline the slowest of some misses takes while Redis is frozen. */
export async function frozenMiss(): Promise<Measured> {
  const node = await startRedisNode()
  const cache = redisCache({ url: node.url, kinds: { [kind]: { ttlMs, scope: 'stats' } }, deadlineMs })
  try {
    await cache.wrap({ organization, kind, key: 'before' }, () => 1)
    node.freeze()
    const tookMs: number[] = []
    for (let miss = 0; miss < 20; miss += 1) {
      const startedAt = performance.now()
      await cache.wrap({ organization, kind, key: `cold-${miss}` }, () => 1)
      tookMs.push(performance.now() - startedAt)
    }
    return {
      id: 'frozen',
      what: 'Redis frozen: the slowest of 20 misses, beyond the deadline of 50 ms',
      goal: { atMost: 20 },
      unit: 'ms',
      value: Math.max(0, ...tookMs.map((ms) => ms - deadlineMs)),
      peers: {},
    }
  } finally {
    node.thaw()
    await cache.close?.()
    await node.remove()
  }
}
