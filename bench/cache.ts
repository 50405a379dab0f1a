import { serialize } from 'node:v8'
import { Redis } from 'ioredis'
import type { Cache } from 'switchgear'
import { redisCache, type RedisCacheOptions } from 'switchgear/redis'
import { startRedis } from '../test/servers/start-redis.ts'
import {
  type Ask,
  bentocacheEmptying,
  inProcess,
  inRedis,
  kind,
  layeredLoaderEmptying,
  organization,
  ttlMs,
} from './cache-peers.ts'
import { frozenMiss } from './cache-frozen.ts'
import { loadsOfTwo } from './cache-loads.ts'
import { compare, type Bench, type Contender, type Measured, median } from './harness.ts'

const keys = Array.from({ length: 1_000 }, (_, index) => `report-${index}`)
/** Some 200 bytes, as the counts of a dashboard. */
const value = {
  total: 4_711,
  firing: 12,
  resolved: 4_699,
  bySeverity: { critical: 3, warning: 9 },
  name: 'x'.repeat(80),
}
const load = async (): Promise<object> => value
/** Requests to Redis under way at once. */
const concurrency = 32
/** Reads of each contender before they are measured. */
const readsBefore = 50_000
/** Values of the organization that is emptied. */
const valuesMany = 10_000

/** What a read costs, in process and from Redis, how often one loads, and what it costs to empty an organization. */
export const cacheBench: Bench = {
  name: 'cache',
  what: 'CPU of a hit over that of layered-loader; time of a shared hit over that of a GET, 32 under way; of invalidating over that of one EVAL',
  async run() {
    return [
      ...(await hits()),
      ...(await withRedis(sharedHits)),
      ...(await withRedis(emptying)),
      await withRedis(loadsOfTwo),
      await frozenMiss(),
    ]
  },
}

function hits(): Promise<readonly Measured[]> {
  return compare({
    baseline: inTurn(inProcess.layeredLoader(load)),
    rows: [
      {
        id: 'hit',
        what: 'hit in process, CPU',
        goal: { atMost: 1.5 },
        limit: '1',
        ours: inTurn(inProcess.ours(load)),
        peers: {
          'layered-loader, by group': inTurn(inProcess.layeredLoaderByGroup(load)),
          bentocache: inTurn(inProcess.bentocache(load)),
          cacheable: inTurn(inProcess.cacheable(load)),
        },
      },
    ],
  })
}

async function sharedHits(url: string, client: Redis): Promise<readonly Measured[]> {
  const cache = opened(url, { bytesMax: 1 })
  const body = serialize(value)
  for (const key of keys) await client.set(`raw:${key}`, body)
  const ours = atOnce((key) => cache.wrap({ organization, kind, key }, load))
  const peers = {
    'layered-loader': atOnce(inRedis.layeredLoader(client, load)),
    bentocache: atOnce(inRedis.bentocache(client, load)),
  }
  // The rounds are too short to have compiled what so many steps go through, as it is in a service.
  for (const contender of [ours, ...Object.values(peers)]) await contender(readsBefore)
  const measured = await compare({
    baseline: atOnce((key) => client.getBuffer(`raw:${key}`)),
    time: 'wall',
    rows: [
      {
        id: 'sharedHit',
        what: 'hit in Redis, to a raw GET',
        goal: { atMost: 2.6 },
        limit: '2.5',
        ours,
        peers,
      },
    ],
  })
  await cache.close?.()
  return measured
}

async function emptying(url: string, client: Redis): Promise<readonly Measured[]> {
  const cache = opened(url)
  const empty = (): Promise<void> => cache.invalidate({ organization, scope: 'all' })
  const listener = new Redis(url)
  await listener.subscribe('told')
  const evaluate = (): Promise<unknown> => client.eval(minimum, 1, 'tokens', 'all', 'token', 'told', 'news')
  const grouped = layeredLoaderEmptying(client)
  // Neither touches the values, so they need not be put there again each time.
  await fill((key) => cache.set({ organization, kind, key }, value))
  await fill((key) => grouped.put(key, value))
  const [measured] = await compare({
    baseline: inTurn(evaluate),
    time: 'wall',
    rows: [
      {
        id: 'invalidate',
        what: `invalidate an organization of ${valuesMany} values, to one EVAL that writes a token and tells it`,
        goal: { atMost: 2 },
        limit: '1',
        ours: inTurn(empty),
        peers: { 'layered-loader, by group': inTurn(grouped.empty) },
      },
    ],
  })
  const bentocache = await emptiedByKeys(client, evaluate)
  await cache.close?.()
  listener.disconnect()
  return measured === undefined ? [] : [{ ...measured, peers: { ...measured.peers, bentocache } }]
}

/** What invalidating is at least. Whoever invalidates hears of it too, as each instance does. */
const minimum = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PUBLISH', ARGV[3], ARGV[4])
`

/** For what deletes the values, and so needs new ones each time. */
async function emptiedByKeys(client: Redis, evaluate: () => Promise<unknown>): Promise<number> {
  const { put, empty } = bentocacheEmptying(client)
  const ratios: number[] = []
  for (let round = 0; round < 5; round += 1) {
    await fill((key) => put(key, value))
    const evaluations = 100
    const base = await msOf(async () => {
      for (let call = 0; call < evaluations; call += 1) await evaluate()
    })
    ratios.push((await msOf(empty)) / (base / evaluations))
  }
  return median(ratios)
}

async function fill(put: (key: string) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < valuesMany; from += 100)
    await Promise.all(Array.from({ length: 100 }, (_, index) => put(`value-${from + index}`)))
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function opened(url: string, options: Partial<RedisCacheOptions> = {}): Cache {
  return redisCache({ url, kinds: { [kind]: { ttlMs, scope: 'stats' } }, deadlineMs: 10_000, ...options })
}

/** One key after the other. */
function inTurn(ask: Ask): Contender {
  return async (calls) => {
    let found = 0
    for (let call = 0; call < calls; call += 1) found += (await ask(keys[call % keys.length] ?? '')) === null ? 0 : 1
    return found
  }
}

/** One key after the other, some at once. */
function atOnce(ask: Ask): Contender {
  return async (calls) => {
    let [next, found] = [0, 0]
    const worker = async (): Promise<void> => {
      while (next < calls) {
        next += 1
        if ((await ask(keys[next % keys.length] ?? '')) !== null) found += 1
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, calls) }, worker))
    return found
  }
}

async function withRedis<T>(work: (url: string, client: Redis) => Promise<T>): Promise<T> {
  const server = await startRedis()
  const client = new Redis(server.url)
  try {
    return await work(server.url, client)
  } finally {
    client.disconnect()
    await server.stop()
  }
}
