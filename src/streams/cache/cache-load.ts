import { UnavailableError } from '../../kernel/errors.ts'
import type { CachePlace, Fence, Found, SharedCache, SharedValue } from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'
import { unheeded } from '../../kernel/unheeded.ts'

/** What a loader gave, as bytes, and how long it is fresh and then stale, in ms. */
export interface Fresh {
  readonly body: Buffer
  readonly ttlMs: number
  readonly staleMs: number
}

/**
 * What a load came to. `isValid`: nothing was invalidated meanwhile, as far as the shared tier knows. `reload`: what being
 * the one who was given a stale value obliges to.
 */
export interface Loaded extends Fresh {
  readonly from: 'shared' | 'miss'
  readonly isStale: boolean
  readonly isValid: boolean
  readonly reload?: () => Promise<Loaded>
}

export interface LoadParts {
  readonly place: CachePlace
  /** The shared tier, where there is one. */
  readonly shared: SharedCache | undefined
  /** Asks it within the deadline, if it is worth asking; `undefined` when there was no answer. */
  readonly ask: <T>(question: () => Promise<T>) => Promise<T | undefined>
  /** Runs the loader, and gives its value as bytes with how long it lives. */
  readonly run: () => Promise<Fresh>
  readonly by: string
  /** What the shared tier may cost a load, in ms. */
  readonly deadlineMs: number
  readonly loadWaitMs: number
  readonly clock: Clock
}

/** What of that is left. */
interface Patience {
  leftMs: number
}

/** A lease is prolonged while its holder lives, so it says how long a dead one keeps the others waiting. */
const leaseMs = 1_500
/** How often it is asked whether another instance has loaded, in ms: at first, and at most. */
const pollMs = { first: 5, max: 50 }
/** Loads in a row that something was invalidated under. */
const roundsMax = 3

/**
 * Loads a value once for the whole fleet: takes what another instance has loaded or is loading, else the lease. What was
 * invalidated meanwhile is loaded again, a few times; then it is for those who asked before, and is not kept.
 */
export async function loadOnce(parts: LoadParts): Promise<Loaded> {
  const patience = { leftMs: parts.deadlineMs }
  for (let round = 1; ; round += 1) {
    const found = await foundAfterWaiting(parts, patience)
    if (found === undefined || found.status === 'miss') return loadAlone(parts)
    if (found.status === 'hit') return sharedValue(found.value, false)
    if (found.stale !== undefined) return stale(parts, found.stale, found)
    if (found.status === 'wait') return loadAlone(parts)
    const loaded = await lead(parts, found.fence, patience)
    if (loaded.isValid || round === roundsMax || patience.leftMs <= 0) return loaded
  }
}

/** `undefined` when the shared tier does not answer; `wait` when the other instance takes too long. */
async function foundAfterWaiting(parts: LoadParts, patience: Patience): Promise<Found | undefined> {
  const { shared, loadWaitMs, clock } = parts
  if (shared === undefined) return undefined
  const endAt = clock.monotonic() + loadWaitMs
  for (let waitMs = pollMs.first; ; waitMs = Math.min(pollMs.max, waitMs * 2)) {
    const askedAt = clock.monotonic()
    const found = await findToLoad(parts, shared)
    const now = clock.monotonic()
    if (found?.status !== 'wait' || found.stale !== undefined || now + waitMs >= endAt) {
      patience.leftMs -= now - askedAt
      return found
    }
    await clock.sleep(waitMs)
  }
}

/** Asks for the lease, too. One that is given when it was given up is given back: the others would wait for nobody. */
async function findToLoad({ place, ask, by, clock }: LoadParts, shared: SharedCache): Promise<Found | undefined> {
  let isAwaited = true
  const find = async (): Promise<Found> => {
    const found = await shared.find(place, { by, leaseMs })
    if (!isAwaited && found.status === 'lead') unheeded(() => shared.renew(place, { by, leaseMs: 0 }))
    return found
  }
  const found = await findAged(clock, () => ask(find))
  isAwaited = false
  return found
}

/** What is found, older by the time that it took to hear of it. */
export async function findAged(clock: Clock, find: () => Promise<Found | undefined>): Promise<Found | undefined> {
  const askedAt = clock.monotonic()
  const found = await find()
  if (found?.status !== 'hit') return found
  const { body, freshForMs } = found.value
  return { ...found, value: { body, freshForMs: freshForMs - (clock.monotonic() - askedAt) } }
}

/** Without a lease, for this process alone. */
export async function loadAlone({ run }: LoadParts): Promise<Loaded> {
  return { from: 'miss', isStale: false, ...(await run()), isValid: true }
}

function stale(parts: LoadParts, value: SharedValue, found: Found): Loaded {
  const served = sharedValue(value, true)
  return found.status === 'lead'
    ? { ...served, reload: () => lead(parts, found.fence, { leftMs: parts.deadlineMs }) }
    : served
}

function sharedValue({ body, freshForMs }: SharedValue, isStale: boolean): Loaded {
  return { from: 'shared', body, ttlMs: freshForMs, staleMs: 0, isStale, isValid: true }
}

async function lead(parts: LoadParts, fence: Fence, patience: Patience): Promise<Loaded> {
  const { place, shared, ask, run, by, clock } = parts
  if (shared === undefined) throw new UnavailableError('the cache', 'there is no shared tier')
  const stopRenewing = every(clock, leaseMs / 3, () => ask(() => shared.renew(place, { by, leaseMs })))
  try {
    const fresh = await run()
    const keep = () => ask(() => shared.keep(place, { ...fresh, load: { by, fence } }))
    return { from: 'miss', isStale: false, ...fresh, isValid: (await inPatience(clock, patience, keep())) ?? true }
  } catch (error) {
    unheeded(() => ask(() => shared.renew(place, { by, leaseMs: 0 })))
    throw error
  } finally {
    stopRenewing()
  }
}

/** Waits for an answer as long as there is patience; what was asked goes on. */
async function inPatience<T>(clock: Clock, patience: Patience, answer: Promise<T>): Promise<T | undefined> {
  const startedAt = clock.monotonic()
  let giveUp = (): void => {}
  const timer = clock.setTimeout(() => giveUp(), Math.max(0, patience.leftMs), { keepAlive: true })
  const given = await Promise.race([answer, new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)))])
  clock.clearTimeout(timer)
  patience.leftMs -= clock.monotonic() - startedAt
  return given
}

function every(clock: Clock, everyMs: number, act: () => Promise<unknown>): () => void {
  let isOver = false
  let timer = clock.setTimeout(tick, everyMs)
  function tick(): void {
    if (isOver) return
    unheeded(act)
    timer = clock.setTimeout(tick, everyMs)
  }
  return () => {
    isOver = true
    clock.clearTimeout(timer)
  }
}
