import type { Clock } from '../../ports/clock.ts'
import { letterMatches } from '../../ports/letter-filter.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import { organizationOf } from '../../ports/letter.ts'
import type { RedisConnection } from './connection.ts'
import { letterAdding } from './letter-adding.ts'
import { type InTime, letterAsking } from './letter-asking.ts'
import { countLetters, letterRows } from './letter-counts.ts'
import { allKey, letterKey, ownId } from './letter-keys.ts'
import { letterOrganizations } from './letter-organizations.ts'
import { letterPages } from './letter-pages.ts'
import { removeScript, replaceScript } from './letter-scripts.ts'
import { inChunks, sideBySide } from './letter-side-by-side.ts'
import { letterSweep } from './letter-sweep.ts'
import { readValue, writeValue } from './letter-value.ts'
import { redisRedriveJobs } from './redrive-jobs.ts'

export interface RedisLettersOptions {
  readonly connection: RedisConnection
  readonly fleet: string
  /** How long letters are kept, in ms; Redis itself drops them a day later. */
  readonly retentionMs: number
  /** Bounds every command. */
  readonly inTime: InTime
  readonly clock: Clock
}

const dayMs = 86_400_000
/** Letters that one script removes. */
const removeMax = 50

/**
 * Dead letters in Redis 6.2 or later, as a string each with indexes beside it. Each script is about one organization, and
 * takes a bounded time however many letters there are.
 */
export function redisLetters(options: RedisLettersOptions): LetterStore {
  const { connection, fleet, retentionMs, inTime, clock } = options
  const redis = letterAsking(connection, inTime)
  const organizations = letterOrganizations(redis, fleet, clock)
  const pages = letterPages({ redis, fleet, organizations })
  const keptMs = Math.ceil(retentionMs) + dayMs
  const feedBounds = (): readonly [number, number] => [Math.max(0, Math.floor(clock.now() - retentionMs)), keptMs]

  return {
    add: letterAdding({ redis, fleet, organizations, feedBounds, clock }),
    async get(id) {
      const organization = organizationOf(id)
      if (organization === undefined) return undefined
      const own = ownId(id)
      return readValue(organization, own, await redis.command('get', letterKey(fleet, organization, own)))
    },
    page: pages.page,
    async count(filter, cursor) {
      if (filter.text === undefined) return countLetters({ redis, fleet, organizations }, filter, cursor)
      const { heads, next } = await pages.heads(filter, cursor)
      const count = heads.filter((letter) => letterMatches(letter, filter)).length
      return { count, ...(next === undefined ? {} : { next }) }
    },
    rows: (filter, cursor) => letterRows({ redis, fleet, organizations }, filter, cursor),
    async replace(letter, version) {
      const { id, organization } = letter.header
      const args = [ownId(id), version, writeValue(letter), keptMs]
      return (await redis.script(replaceScript, [allKey(fleet, organization)], args)) === 1
    },
    async remove(ids) {
      const chunks = byOrganization(ids).flatMap(([organization, own]) =>
        inChunks(own, removeMax).map((chunk) => ({ organization, chunk })),
      )
      const removed = await sideBySide(chunks, ({ organization, chunk }) =>
        redis.script(removeScript, [allKey(fleet, organization)], chunk),
      )
      return removed.reduce<number>((sum, count) => sum + Number(count), 0)
    },
    sweep: letterSweep({ redis, fleet, organizations }),
    jobs: redisRedriveJobs({ redis, fleet, keptMs }),
    close: async () => connection.close(),
  }
}

/** The second halves of ids, by organization; what is no id of a letter is left out. */
function byOrganization(ids: readonly string[]): readonly (readonly [organization: string, own: readonly string[]])[] {
  const all = new Map<string, string[]>()
  for (const id of ids) {
    const organization = organizationOf(id)
    if (organization === undefined) continue
    const own = all.get(organization)
    if (own === undefined) all.set(organization, [ownId(id)])
    else own.push(ownId(id))
  }
  return [...all]
}
