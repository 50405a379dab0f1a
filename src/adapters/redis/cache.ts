import { randomFillSync } from 'node:crypto'
import { UnavailableError } from '../../kernel/errors.ts'
import type { CacheNews, CachePlace, Found, SharedCache, SharedValue } from '../../ports/cache.ts'
import { cacheNewsOf, cacheNewsText } from '../../ports/cache-news.ts'
import {
  findScript,
  invalidateScript,
  keepScript,
  removeScript,
  renewScript,
  tokenLength,
  writeScript,
} from './cache-scripts.ts'
import type { RedisConnection } from './connection.ts'
import { inKey, organizationKey } from './keys.ts'
import { run } from './run-script.ts'
import type { Subscription } from './subscription.ts'

export interface RedisCacheOptions {
  readonly connection: RedisConnection
  readonly subscription: Subscription
  readonly fleet: string
}

/** Where instances tell each other. */
export function cacheChannel(fleet: string): string {
  return `sg:${fleet}:c`
}

/** Where the body of an entry begins. */
const bodyAt = 1 + 2 * tokenLength + 8

/**
 * Values that the instances of a fleet share in Redis, each under the tokens of its organization and scope: replacing a token
 * makes every value under it invalid, however many there are.
 */
export function redisSharedCache({ connection, subscription, fleet }: RedisCacheOptions): SharedCache {
  const channel = cacheChannel(fleet)
  const tokensKey = (organization: string): string => organizationKey(fleet, 'c', organization, 'e')
  const entryKey = ({ organization, kind, key }: CachePlace): string =>
    organizationKey(fleet, 'c', organization, `${inKey(kind)}:${inKey(key)}`)
  const keysOf = (place: CachePlace): readonly [entry: string, tokens: string, lease: string] => {
    const entry = entryKey(place)
    return [entry, tokensKey(place.organization), `${entry}:l`]
  }

  return {
    async find(place, lease) {
      const asking = lease === undefined ? [] : [lease.by, lease.leaseMs, newToken(), newToken()]
      return foundOf(await run(connection, findScript, keysOf(place), [place.scope, ...asking]))
    },
    async keep(place, kept) {
      const { body, ttlMs, staleMs } = kept
      const lasting = [Math.ceil(ttlMs + staleMs), hex(staleMs), body]
      if ('load' in kept) {
        const { by, fence } = kept.load
        return (await run(connection, keepScript, keysOf(place), [place.scope, by, fence, ...lasting])) === 1
      }
      const { organization, kind, key } = place
      const news = cacheNewsText({ id: kept.id, organization, kind, key })
      const args = [place.scope, newToken(), newToken(), ...lasting, channel, news]
      return (await run(connection, writeScript, keysOf(place), args)) === 1
    },
    async renew(place, { by, leaseMs }) {
      await run(connection, renewScript, [keysOf(place)[2]], [by, leaseMs])
    },
    async remove(place, id) {
      const { organization, kind, key } = place
      const [entry, , lease] = keysOf(place)
      await run(connection, removeScript, [entry, lease], [channel, cacheNewsText({ id, organization, kind, key })])
    },
    async invalidate(news) {
      const args = [news.scope, newToken(), channel, cacheNewsText(news)]
      await run(connection, invalidateScript, [tokensKey(news.organization)], args)
    },
    follow: ({ onNews, onLink }) =>
      subscription.follow(channel, {
        onMessage(text) {
          const news: CacheNews | undefined = cacheNewsOf(text)
          if (news !== undefined) onNews(news)
        },
        onLink,
      }),
    async close() {
      subscription.close()
      connection.close()
    },
  }
}

/** Chance for many tokens at once: to ask for each by itself costs more than the rest of a question. */
const chance = Buffer.alloc(16 * 256)
let chanceUsed = chance.length

function newToken(): string {
  if (chanceUsed === chance.length) {
    randomFillSync(chance)
    chanceUsed = 0
  }
  chanceUsed += 16
  return chance.toString('base64url', chanceUsed - 16, chanceUsed)
}

function hex(ms: number): string {
  return Math.ceil(ms).toString(16).padStart(8, '0')
}

/** @throws UnavailableError for what no script of ours answers */
function foundOf(reply: unknown): Found {
  const [what, second, third] = Array.isArray(reply) ? (reply as readonly unknown[]) : []
  const status = Buffer.isBuffer(what) ? what.toString('latin1') : ''
  if (status === 'miss') return { status }
  if (status === 'hit' && typeof second === 'number' && Buffer.isBuffer(third))
    return { status, value: { body: third.subarray(bodyAt), freshForMs: second } }
  if (status === 'wait') return { status, stale: staleOf(second) }
  if (status === 'lead' && Buffer.isBuffer(second))
    return { status, fence: second.toString('latin1'), stale: staleOf(third) }
  throw new UnavailableError('Redis', 'a script of the cache gave another answer than it can')
}

function staleOf(entry: unknown): SharedValue | undefined {
  return Buffer.isBuffer(entry) ? { body: entry.subarray(bodyAt), freshForMs: 0 } : undefined
}
