import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { redisCache } from 'switchgear/redis'
import { type Ask, inRedis, kind, organization, ttlMs } from './cache-peers.ts'

/** A process of callers: for each key that it is sent, all ask at once, and when all have the value it says so. */
const [library, url = '', callers = '1'] = process.argv.slice(2)
const client = new Redis(url)
const loadMs = 100

async function load(key: string): Promise<object> {
  await client.incr(`loads:${key}`)
  await sleep(loadMs)
  return { key }
}

function askOf(): Ask {
  if (library === 'layered-loader') return inRedis.layeredLoader(client, load)
  if (library === 'bentocache') return inRedis.bentocache(client, load)
  const cache = redisCache({ url, kinds: { [kind]: { ttlMs, scope: 'stats' } }, deadlineMs: 10_000 })
  return (key) => cache.wrap({ organization, kind, key }, () => load(key))
}

const ask = askOf()
process.on('message', (key: string) => {
  void Promise.all(Array.from({ length: Number(callers) }, () => ask(key))).then(() => process.send?.('done'))
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
