import { memorySharedCache } from '../../adapters/memory/shared-cache.ts'
import { typedCodec, type ValueCodec } from '../../kernel/value-codec.ts'
import type { CacheFollower, CacheNews, SharedCache } from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'
import { silentLogger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import type { CacheKind } from '../../streams/cache/cache-kinds.ts'
import { type Cache, twoTierCache, type TwoTierOptions } from '../../streams/cache/two-tier-cache.ts'
import { seededRandom } from '../seeded-random.ts'

/** What the laws of caches are about: a shared tier, and a cache over it. */
export interface CacheSubject {
  readonly shared: (clock: Clock) => SharedCache
  readonly cache: (shared: SharedCache, options: TwoTierOptions) => Cache
  readonly codec: ValueCodec
}

export const twoTiersInMemory: CacheSubject = Object.freeze({
  shared: (clock: Clock) => memorySharedCache({ clock }),
  cache: twoTierCache,
  codec: typedCodec,
})

/** How long the shared tier takes at most for what it is asked, each way, and until news arrive; in ms. */
export const delayMsMax = 20
/** What an instance waits for the shared tier, in ms: sometimes too short. */
export const deadlineMs = 30

/** What passes between an instance and the shared tier. */
export interface WireWatch {
  /** An instance asks for a change that others are told of, from within the call of the cache. */
  onAsked(id: string): void
  /** The shared tier has done it. */
  onDone(id: string): void
  /** The instance heard of a change, or that the link is up; then it can hear all that was done after `since`. */
  onHeard(what: { readonly id: string } | { readonly upSince: number }): void
}

/** One of the instances that share a tier, behind a wire of its own. */
export interface CacheInstance {
  readonly cache: Cache
  /** Loses what it would be told, until the link is up again. */
  cut(): void
  mend(): void
}

export interface InstanceParts {
  readonly subject: CacheSubject
  readonly clock: Clock
  readonly seed: number
  readonly kinds: Readonly<Record<string, CacheKind>>
  readonly watch?: WireWatch
  /** A moment, as a number that grows with whatever happens. */
  readonly moment?: () => number
  /** Waits for the shared tier as long as it takes. */
  readonly patient?: boolean
}

export function cacheInstance(shared: SharedCache, parts: InstanceParts): CacheInstance {
  const { subject, clock, seed, kinds, watch = unwatched, moment = () => 0, patient = false } = parts
  const wire = wireTo(shared, { clock, random: seededRandom(seed), watch, moment })
  const cache = subject.cache(wire.tier, {
    kinds: new Map(Object.entries(kinds)),
    // More than any case keeps; room for them is taken at once, and 1,000 cases are many caches.
    entriesMax: 100,
    bytesMax: 10_000_000,
    deadlineMs: patient ? 10 * delayMsMax : deadlineMs,
    loadWaitMs: 2_000,
    codec: subject.codec,
    values: 'frozen',
    clock,
    random: seededRandom(seed + 1),
    logger: silentLogger,
  })
  return { cache, cut: wire.cut, mend: wire.mend }
}

const unwatched: WireWatch = { onAsked() {}, onDone() {}, onHeard() {} }

interface WireParts {
  readonly clock: Clock
  readonly random: Random
  readonly watch: WireWatch
  readonly moment: () => number
}

interface Wire {
  readonly tier: SharedCache
  cut(): void
  mend(): void
}

/** What is asked takes a while to get there, and to come back; what is told is told in order, late, or not at all. */
function wireTo(shared: SharedCache, { clock, random, watch, moment }: WireParts): Wire {
  const pause = (): Promise<void> => clock.sleep(Math.floor(random.next() * delayMsMax))
  const late = async <T>(ask: () => Promise<T>, change?: string): Promise<T> => {
    if (change !== undefined) watch.onAsked(change)
    await pause()
    const answer = await ask()
    if (change !== undefined) watch.onDone(change)
    await pause()
    return answer
  }
  const lane = newsLane(pause, watch, moment)
  const tier: SharedCache = {
    find: (place, lease) => late(() => shared.find(place, lease)),
    keep: (place, kept) => late(() => shared.keep(place, kept), 'id' in kept ? kept.id : undefined),
    renew: (place, lease) => late(() => shared.renew(place, lease)),
    remove: (place, id) => late(() => shared.remove(place, id), id),
    invalidate: (news) => late(() => shared.invalidate(news), news.id),
    follow: (follower) => shared.follow(lane.to(follower)),
  }
  return { tier, cut: lane.cut, mend: lane.mend }
}

function newsLane(pause: () => Promise<void>, watch: WireWatch, moment: () => number) {
  let isCut = false
  let told = Promise.resolve()
  let mend = (): void => {}
  const inOrder = async (before: Promise<void>, tell: () => void): Promise<void> => {
    await Promise.all([before, pause()])
    if (!isCut) tell()
  }
  return {
    to(follower: CacheFollower): CacheFollower {
      const onNews = (news: CacheNews): void => {
        if (isCut) return
        told = inOrder(told, () => {
          watch.onHeard(news)
          follower.onNews(news)
        })
      }
      const onLink = (isUp: boolean): void => {
        const upSince = moment()
        if (!isUp || isCut) return
        told = inOrder(told, () => {
          watch.onHeard({ upSince })
          follower.onLink(true)
        })
      }
      mend = () => {
        isCut = false
        onLink(true)
      }
      return { onNews, onLink }
    },
    cut() {
      isCut = true
    },
    mend: () => mend(),
  }
}
