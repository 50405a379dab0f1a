import { OverCapacityError } from '../../kernel/errors.ts'
import type { ValueCodec } from '../../kernel/value-codec.ts'
import type { CachePlace } from '../../ports/cache.ts'
import type { Logger } from '../../ports/logger.ts'
import { type Fresh, loadAlone, type Loaded, loadOnce, type LoadParts } from './cache-load.ts'
import type { Reading, Readings } from './cache-readings.ts'
import type { CacheCounter, ReadEnd } from './cache-stats.ts'
import type { LocalFence } from './local-tier.ts'

/** What this process is loading: each key once, for all who wait for it. */
export interface CacheFlights {
  /**
   * The load that is under way, unless something was invalidated since it began; else a new one.
   * @throws what the loader rejects with, OverCapacityError
   */
  of(at: string, place: CachePlace, loader: () => unknown): Promise<Landed>
  /** Whoever asks from now on waits for another load. */
  forget(at: string): void
}

/** What a load came to, for each who waited. */
export interface Landed {
  readonly end: ReadEnd
  readonly isStale: boolean
  /** The value: the same one for all if it is frozen, else for each one of their own. */
  give(): unknown
}

export interface FlightParts extends Pick<LoadParts, 'shared' | 'ask' | 'deadlineMs' | 'loadWaitMs' | 'clock'> {
  readonly entriesMax: number
  readonly codec: ValueCodec
  readonly logger: Logger
  readonly readings: Readings<LocalFence>
  readonly counter: CacheCounter
  readonly newId: () => string
  readonly fenceOf: (place: CachePlace) => LocalFence
  /** Keeps a value in this process, if that may be; gives it as it is served. */
  readonly keepHere: (place: CachePlace, reading: Reading<LocalFence>, loaded: Loaded) => unknown
  readonly lifetimeOf: (kind: string, value: unknown) => Omit<Fresh, 'body'>
  readonly sayOfValue: (facts: object) => void
}

/** A key that is being loaded by this process, for all who wait for it. */
interface Flight {
  readonly reading: Reading<LocalFence>
  readonly landed: Promise<Landed>
}

export function cacheFlights(all: FlightParts): CacheFlights {
  const { shared, ask, readings, newId, keepHere, lifetimeOf, sayOfValue, counter, fenceOf } = all
  const { entriesMax, deadlineMs, loadWaitMs, codec, clock, logger } = all
  const flights = new Map<string, Flight>()

  const runLoader = async (place: CachePlace, loader: () => unknown): Promise<Fresh> => {
    const startedAt = clock.monotonic()
    let failed = true
    try {
      const value = await loader()
      failed = false
      return { body: bodyOf(codec, value), ...lifetimeOf(place.kind, value) }
    } finally {
      counter.loaded(place.kind, clock.monotonic() - startedAt, failed)
    }
  }

  const fly = async (place: CachePlace, reading: Reading<LocalFence>, loader: () => unknown): Promise<Landed> => {
    const run = (): Promise<Fresh> => runLoader(place, loader)
    const parts = { place, shared, ask, run, by: newId(), deadlineMs, loadWaitMs, clock }
    let isReloading = false
    try {
      const { value, loaded } = await land(place, reading, await loadOnce(parts), parts)
      isReloading = loaded.reload !== undefined
      if (loaded.reload !== undefined) void again(place, reading, loaded.reload)
      return { end: loaded.from, isStale: loaded.isStale, give: giving(codec, value, loaded.body) }
    } catch (error) {
      if (!(error instanceof Unkeepable)) throw error
      logger.warn({ err: error.cause, ...place }, 'a value cannot be cached')
      return { end: 'miss', isStale: false, give: () => error.value }
    } finally {
      if (!isReloading) readings.end(reading)
    }
  }

  /** The value; what of the shared tier cannot be read, as when instances differ, is loaded here. */
  const land = async (
    place: CachePlace,
    reading: Reading<LocalFence>,
    loaded: Loaded,
    parts: LoadParts,
  ): Promise<{ readonly value: unknown; readonly loaded: Loaded }> => {
    try {
      return { value: keepHere(place, reading, loaded), loaded }
    } catch (error) {
      if (loaded.from !== 'shared') throw error
      sayOfValue({ err: error, ...place })
      const own = await (loaded.reload ?? (() => loadAlone(parts)))()
      return { value: keepHere(place, reading, own), loaded: own }
    }
  }

  /** Loads anew what was served as stale, while nobody waits. */
  const again = async (
    place: CachePlace,
    reading: Reading<LocalFence>,
    reload: () => Promise<Loaded>,
  ): Promise<void> => {
    try {
      keepHere(place, reading, await reload())
    } catch (error) {
      logger.warn({ err: error, ...place }, 'a stale value could not be loaded again')
    } finally {
      readings.end(reading)
    }
  }

  /** The load that is under way, unless something was invalidated since it began; else a new one. */
  const flightOf = (at: string, place: CachePlace, loader: () => unknown): Promise<Landed> => {
    const known = flights.get(at)
    if (known !== undefined && !known.reading.fence.isOver) return known.landed
    if (known === undefined && flights.size >= entriesMax)
      return Promise.reject(new OverCapacityError('loads of the cache', 'entriesMax', entriesMax))
    const reading = readings.begin(at, fenceOf(place))
    const flight: Flight = { reading, landed: Promise.resolve().then(() => fly(place, reading, loader)) }
    flights.set(at, flight)
    const end = (): void => {
      if (flights.get(at) === flight) flights.delete(at)
    }
    flight.landed.then(end, end)
    return flight.landed
  }

  return { of: flightOf, forget: (at) => void flights.delete(at) }
}

function giving(codec: ValueCodec, value: unknown, body: Buffer): () => unknown {
  let isGiven = false
  return () => {
    if (isGiven && !Object.isFrozen(value)) return codec.decode(body)
    isGiven = true
    return value
  }
}

/** What a loader gave, and cannot be kept. */
class Unkeepable extends Error {
  readonly value: unknown

  constructor(value: unknown, cause: unknown) {
    super('a value cannot be cached', { cause })
    this.value = value
  }
}

function bodyOf(codec: ValueCodec, value: unknown): Buffer {
  try {
    return codec.encode(value)
  } catch (error) {
    throw new Unkeepable(value, error)
  }
}
