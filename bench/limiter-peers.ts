import { createHash } from 'node:crypto'
import { Ratelimit } from '@upstash/ratelimit'
import type { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { Contender } from './harness.ts'

/** Never reached: what is measured is the way there and back. */
const points = 1_000_000
/** Requests under way at once. */
const concurrency = 32
/** Organizations that take turns. */
const keys = Array.from({ length: 1_000 }, (_, index) => `organization-${index}`)

/** Asks so often, some at once, for one key after the other; throws unless everything is allowed. */
export function asking(ask: (key: string) => Promise<boolean>): Contender {
  return async (calls) => {
    let [next, allowed] = [0, 0]
    const worker = async (): Promise<void> => {
      while (next < calls) {
        next += 1
        if (await ask(keys[next % keys.length] ?? '')) allowed += 1
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, calls) }, worker))
    if (allowed !== calls) throw new Error(`${calls - allowed} of ${calls} requests were refused`)
    return allowed
  }
}

/** A fixed window, so up to twice the limit across an edge; one round trip for each limit, all at once. */
export function rateLimiterFlexible(client: Redis, names: readonly string[]): Contender {
  const limiters = names.map(
    (keyPrefix) => new RateLimiterRedis({ storeClient: client, points, duration: 60, keyPrefix }),
  )
  return asking(async (key) => {
    const results = await Promise.all(limiters.map((limiter) => limiter.consume(key)))
    return results.every(({ remainingPoints }) => remainingPoints > 0)
  })
}

/** Two weighted buckets, so not exact. It is made for Redis over HTTP; here it has the same client as the others. */
export function upstash(client: Redis): Contender {
  const redis = overUpstash(client)
  if (!isUpstash(redis)) throw new Error('it asks for another client than it did')
  const limiter = new Ratelimit({
    redis,
    limiter: Ratelimit.slidingWindow(points, '60 s'),
    ephemeralCache: false,
    prefix: 'upstash',
  })
  return asking(async (key) => (await limiter.limit(key)).success)
}

type UpstashRedis = ConstructorParameters<typeof Ratelimit>[0]['redis']

function isUpstash(client: object): client is UpstashRedis {
  return 'evalsha' in client && 'eval' in client
}

/** Its scripts begin with a flag that only its own servers know; without that line they have another name. */
function overUpstash(client: Redis): object {
  const shas = new Map<string, string>()
  return {
    evalsha(sha: string, keysOf: readonly string[], args: readonly unknown[]): Promise<unknown> {
      const own = shas.get(sha)
      if (own === undefined) return Promise.reject(new Error('NOSCRIPT'))
      return client.evalsha(own, keysOf.length, ...keysOf, ...args.map(String))
    },
    eval(script: string, keysOf: readonly string[], args: readonly unknown[]): Promise<unknown> {
      const plain = script.replace(/^#!.*\n/, '')
      shas.set(sha1(script), sha1(plain))
      return client.eval(plain, keysOf.length, ...keysOf, ...args.map(String))
    },
  }
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
