import { channel } from 'node:diagnostics_channel'
import { ulid } from 'ulid'
import { ConfigError } from '../../kernel/errors.ts'
import { checkName } from '../../kernel/names.ts'
import { durationMsMax } from '../../kernel/options.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { ValueCodec } from '../../kernel/value-codec.ts'
import type { Address, CacheNews, CachePlace, Invalidation, SharedCache, SharedValue } from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { cacheAsking } from './cache-asking.ts'
import { type CacheKind, checkScope, placeOf } from './cache-kinds.ts'
import { cacheFlights } from './cache-flights.ts'
import { findAged, type Fresh, type Loaded } from './cache-load.ts'
import { cacheReadings, type Reading } from './cache-readings.ts'
import { cacheCounter, type CacheStats, type ReadEnd } from './cache-stats.ts'
import { type LocalFence, localTier } from './local-tier.ts'
import { saidRarely } from '../store-guards/said-rarely.ts'

/**
 * A cache in two tiers, in process and shared by the instances of a fleet, whose values can be invalidated by organization
 * and scope.
 *
 * What it promises: on the instance that invalidated, a read that began after `invalidate` resolved finds nothing older;
 * elsewhere not after the news of it arrived; what was being loaded before is not kept. One load for a key in the whole
 * fleet, however many wait; a rejection of the loader reaches all who wait for it here. No value is older than its time to
 * live. The shared tier costs no read more than `deadlineMs`, and nothing while it does not answer.
 */
export interface Cache {
  /** The fleet whose instances share it; absent where it is no matter of fleets. */
  readonly fleet?: string | undefined
  /** What is there; `undefined` when nothing fresh is. @throws ConfigError for an address that cannot be meant */
  get(address: Address): Promise<unknown>
  /**
   * Keeps a value, and makes others forget the one before. The shared tier does without it while it does not answer.
   * @throws ConfigError, also for a value that cannot be kept
   */
  set(address: Address, value: unknown, options?: { readonly ttlMs?: number | undefined }): Promise<void>
  /** @throws ConfigError; UnavailableError when the shared tier cannot be told: here it is gone all the same. */
  delete(address: Address): Promise<void>
  /**
   * What is there, or what the loader gives, which is kept. The value is as the cache keeps it: frozen (or a copy), and an
   * instance of a class is a plain object. What cannot be kept is given as it is, and logged.
   * `onRead` hears where the value came from before it is given, and does not throw: who waits for another caller's load is
   * told the same.
   * @throws ConfigError, what the loader rejects with, OverCapacityError when more keys are loaded than there may be entries
   */
  wrap<T>(
    address: Address,
    loader: () => Promise<T> | T,
    options?: { readonly onRead?: ((read: CacheRead) => void) | undefined },
  ): Promise<T>
  /** A function like the loader that asks the cache first. @throws ConfigError */
  cached<A extends unknown[], T>(
    how: {
      readonly kind: string
      readonly organization: (...args: A) => string
      readonly key: (...args: A) => string
    },
    loader: (...args: A) => Promise<T> | T,
  ): (...args: A) => Promise<T>
  /**
   * Makes all values of a scope invalid, for every instance.
   * @throws ConfigError; UnavailableError when the shared tier cannot be told: here they are gone all the same.
   */
  invalidate(target: Invalidation): Promise<void>
  stats(): CacheStats
  /** Ends what it opened. */
  close?(): Promise<void>
}

/** Where the value of one read came from. */
export interface CacheRead {
  /** This process, the shared tier, or a loader. */
  readonly found: ReadEnd
  readonly isStale: boolean
}

/** Another way to tell the instances of a fleet, beside the shared tier's own. */
export interface NewsChannel {
  tell(news: CacheNews): void
  hear(listener: (news: CacheNews) => void): () => void
  close(): Promise<void>
}

export interface TwoTierOptions {
  readonly kinds: ReadonlyMap<string, CacheKind>
  readonly entriesMax: number
  readonly bytesMax: number
  readonly deadlineMs: number
  readonly loadWaitMs: number
  readonly codec: ValueCodec
  readonly values: 'frozen' | 'cloned'
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly news?: NewsChannel | undefined
  /** Whether an error of the shared tier is about whoever asks, rather than about a key. */
  readonly isOutage?: ((error: unknown) => boolean) | undefined
}

/** Values that were loaded together do not end together: up to this much of a time to live is taken off. */
const jitterRatio = 0.1
/** News that are known to have been heard. */
const heardMax = 1_000
const reads = channel('switchgear:cache')

/** A cache over a shared tier, or in this process alone. */
export function twoTierCache(shared: SharedCache | undefined, options: TwoTierOptions): Cache {
  const {
    kinds,
    entriesMax,
    deadlineMs,
    loadWaitMs,
    codec,
    clock,
    random,
    logger,
    news,
    isOutage = () => true,
  } = options
  const local = localTier(options)
  const counter = cacheCounter(kinds.keys())
  const { ask, tell } = cacheAsking(shared, { ...options, isOutage, onUnanswered: counter.unanswered })
  const readings = cacheReadings<LocalFence>()
  // Made when it is first needed: a cache that nobody uses takes no chance from those who do.
  let self: string | undefined
  let ids = 0
  const newId = (): string => {
    self ??= ulid(Math.max(0, Math.floor(clock.now())), () => random.next())
    return `${self}.${(ids += 1)}`
  }

  const sayOfValue = saidRarely(clock, (facts) => logger.warn(facts, 'a shared value cannot be read'))

  const forget = (address: Address): void => {
    const at = atOf(address)
    local.remove(address)
    readings.forget(at)
    flights.forget(at)
  }

  const isNew = heardOnce()
  const onNews = (given: CacheNews): void => {
    if (!isNew(given.id)) return
    if ('scope' in given) local.invalidate(given.organization, given.scope)
    else forget(given)
  }
  const stops = [
    // What was told while the link was down is lost.
    shared?.follow({ onNews, onLink: (isUp) => isUp && local.clear() }),
    news?.hear(onNews),
  ]

  const told = (place: Address, end: ReadEnd, isStale = false): void => {
    counter.read(place.kind, end, isStale)
    if (reads.hasSubscribers) reads.publish({ address: place, found: end, isStale })
  }

  /** How long a value lives, so much less that those that were loaded together do not end together. */
  const lifetimeOf = (kind: string, value: unknown): Omit<Fresh, 'body'> => {
    const { ttlMs, absentTtlMs = ttlMs, staleMs = 0 } = kinds.get(kind) ?? { ttlMs: 0 }
    const most = value === undefined || value === null ? absentTtlMs : ttlMs
    return { ttlMs: Math.ceil(most * (1 - jitterRatio * random.next())), staleMs }
  }

  const keepHere = (place: CachePlace, reading: Reading<LocalFence>, loaded: Omit<Loaded, 'from' | 'isStale'>) => {
    const { body, ttlMs, staleMs, isValid } = loaded
    if (!isValid || reading.isVoid) return codec.decode(body)
    return local.keep(place, reading.fence, body, { freshForMs: ttlMs, staleForMs: staleMs })
  }

  const flights = cacheFlights({
    ...{ shared, ask, readings, newId, keepHere, lifetimeOf, sayOfValue, counter },
    ...{ entriesMax, deadlineMs, loadWaitMs, codec, clock, logger },
    fenceOf: local.fence,
  })

  const load = async (
    address: Address,
    loader: () => unknown,
    onRead?: (read: CacheRead) => void,
  ): Promise<unknown> => {
    const place = placeOf(address, kinds)
    try {
      const { end, isStale, give } = await flights.of(atOf(place), place, loader)
      told(place, end, isStale)
      onRead?.({ found: end, isStale })
      return give()
    } catch (error) {
      told(place, 'miss')
      throw error
    }
  }

  /** By itself: a function that makes another one keeps what that needs, here on the way of each hit. */
  const loadUnheeded = (address: Address, loader: () => unknown): void =>
    unheeded(() => {
      const place = placeOf(address, kinds)
      return flights.of(atOf(place), place, loader)
    })

  /** What is here was found by an address that was checked, and is given without another function that waits. */
  const wrap: Cache['wrap'] = <T>(
    address: Address,
    loader: () => Promise<T> | T,
    options?: { readonly onRead?: ((read: CacheRead) => void) | undefined },
  ): Promise<T> => {
    const here = local.get(address)
    if (here === undefined) return load(address, loader, options?.onRead) as Promise<T>
    const { value, isStale } = here
    told(address, 'local', isStale)
    options?.onRead?.({ found: 'local', isStale })
    if (isStale) loadUnheeded(address, loader)
    return Promise.resolve(value as T)
  }

  const get = (address: Address): Promise<unknown> => {
    const here = local.get(address)
    if (here === undefined || here.isStale) return getShared(address)
    told(address, 'local')
    return Promise.resolve(here.value)
  }

  const getShared = async (address: Address): Promise<unknown> => {
    const place = placeOf(address, kinds)
    const reading = readings.begin(atOf(place), local.fence(place))
    try {
      const found = shared && (await findAged(clock, () => ask(() => shared.find(place))))
      const value = found?.status === 'hit' ? shownOf(place, reading, found.value) : undefined
      told(place, value === undefined ? 'miss' : 'shared')
      return value?.shown
    } finally {
      readings.end(reading)
    }
  }

  const shownOf = (place: CachePlace, reading: Reading<LocalFence>, { body, freshForMs }: SharedValue) => {
    try {
      return { shown: keepHere(place, reading, { body, ttlMs: freshForMs, staleMs: 0, isValid: true }) }
    } catch (error) {
      sayOfValue({ err: error, ...place })
      return undefined
    }
  }

  /**
   * Tells of a change that was made here, and makes it again when the shared tier has done it, since what was read from there
   * meanwhile may be from before. For the same reason the other way of news is used last, and when it is not known whether
   * the shared tier did it, what it may still tell is other news.
   */
  const tellOf = async (
    given: CacheNews,
    order: (tier: SharedCache) => Promise<void>,
    change: () => void,
  ): Promise<void> => {
    try {
      await tell(order)
      isNew(given.id)
      change()
      news?.tell(given)
    } catch (error) {
      change()
      news?.tell({ ...given, id: newId() })
      throw error
    }
  }

  return {
    get,
    async set(address, value, { ttlMs } = {}) {
      const place = placeOf(address, kinds)
      const body = keepable(codec, value)
      const life = { ...lifetimeOf(place.kind, value), ...(ttlMs === undefined ? {} : { ttlMs: checkTtl(ttlMs) }) }
      forget(place)
      const reading = readings.begin(atOf(place), local.fence(place))
      const keep = () => keepHere(place, reading, { body, ...life, isValid: true })
      keep()
      const id = newId()
      isNew(id)
      const kept = shared && (await ask(() => shared.keep(place, { body, ...life, id })))
      readings.end(reading)
      // What was read from the shared tier meanwhile may be from before.
      forget(place)
      keep()
      const { organization, kind, key } = place
      news?.tell({ id: kept === undefined ? newId() : id, organization, kind, key })
    },
    async delete(address) {
      const place = placeOf(address, kinds)
      const { organization, kind, key } = place
      const id = newId()
      const change = (): void => forget(place)
      change()
      await tellOf({ id, organization, kind, key }, (tier) => tier.remove(place, id), change)
    },
    wrap,
    cached<A extends unknown[], T>(
      how: { kind: string; organization: (...args: A) => string; key: (...args: A) => string },
      loader: (...args: A) => Promise<T> | T,
    ) {
      placeOf({ organization: '-', kind: how.kind, key: '-' }, kinds)
      return (...args: A) => {
        try {
          const address = { organization: how.organization(...args), kind: how.kind, key: how.key(...args) }
          return wrap(address, () => loader(...args))
        } catch (error) {
          return Promise.reject(error)
        }
      }
    },
    async invalidate(target) {
      const organization = checkName(target.organization, 'organization')
      const scope = checkScope(target.scope)
      const given = { id: newId(), organization, scope }
      const change = (): void => local.invalidate(organization, scope)
      change()
      await tellOf(given, (tier) => tier.invalidate(given), change)
    },
    stats: () => counter.stats(local.entries, local.bytes),
    async close() {
      for (const stop of stops) stop?.()
      await news?.close()
      await shared?.close?.()
    },
  }
}

/** The same text for no two keys. */
function atOf({ organization, kind, key }: Address): string {
  return `${kind.length}:${organization.length}:${kind}${organization}${key}`
}

/** Says of each id once that it is new. */
function heardOnce(): (id: string) => boolean {
  const heard = new Set<string>()
  return (id) => {
    if (heard.has(id)) return false
    heard.add(id)
    if (heard.size > heardMax) for (const oldest of heard) return heard.delete(oldest)
    return true
  }
}

/** @throws ConfigError */
function keepable(codec: ValueCodec, value: unknown): Buffer {
  try {
    return codec.encode(value)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new ConfigError('value', `it cannot be kept: ${why}`, { cause: error })
  }
}

function checkTtl(ttlMs: number): number {
  if (ttlMs > 0 && ttlMs <= durationMsMax) return ttlMs
  throw new ConfigError('ttlMs', `expected ms above 0, at most ${durationMsMax} (given: ${String(ttlMs)})`)
}
