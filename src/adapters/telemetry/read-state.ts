import type { Link } from '../../ports/event-log.ts'
import { boundedLabel } from './bounded-label.ts'
import type { Instruments, Reading } from './instruments.ts'
import type { LettersSummary, WatchedGear } from './watched-gear.ts'

/** Reads where an instance stands, at each collection and only then. Gives how to stop. */
export function readState(instruments: Instruments, gear: WatchedGear, labelValuesMax: number): () => void {
  readBreakers(instruments, gear, labelValuesMax)
  readLetters(instruments, gear, labelValuesMax)
  readCache(instruments, gear)
  return readLink(instruments, gear)
}

function readBreakers({ gauge }: Instruments, { breakers }: WatchedGear, labelValuesMax: number): void {
  const named = boundedLabel(labelValuesMax)
  gauge({ name: 'breakers', help: 'Breakers of this instance, by mode', labels: ['mode'] }, () => {
    const byMode = new Map<string, number>(modes.map((mode) => [mode, 0]))
    for (const { state } of breakers.values()) add(byMode, state.mode, 1)
    return readings('mode', byMode)
  })
  gauge(
    { name: 'breaker_not_closed', help: '1 for each breaker that is not closed', labels: ['breaker', 'mode'] },
    () => {
      const seen = new Map<string, Reading>()
      for (const [name, { state }] of breakers) {
        if (state.mode === 'closed') continue
        const labels = { breaker: named(name), mode: state.mode }
        seen.set(`${labels.breaker}\0${labels.mode}`, { labels, value: 1 })
      }
      return [...seen.values()]
    },
  )
}

function readLetters({ gauge }: Instruments, { deadLetters }: WatchedGear, labelValuesMax: number): void {
  const channel = boundedLabel(labelValuesMax)
  const stats = sharedWhileRunning(() => deadLetters.stats())
  gauge({ name: 'dead_letters', help: 'Letters in the queue, by channel', labels: ['channel'] }, async () => {
    const byChannel = new Map<string, number>()
    for (const row of (await stats()).rows) add(byChannel, channel(row.channel), row.count)
    return readings('channel', byChannel)
  })
  const single = (name: string, help: string, value: (of: LettersSummary) => number, unit?: 's'): void =>
    gauge({ name, help, labels: [], unit }, async () => [{ labels: {}, value: value(await stats()) }])
  single('dead_letters_parked', 'Letters that are parked', ({ parked }) => parked)
  single('dead_letters_spilled', 'Letters on a disk beside their store', ({ spilled }) => spilled)
  single('dead_letters_oldest_age', 'Age of the oldest letter', ({ oldestAgeMs }) => oldestAgeMs / 1_000, 's')
}

function readCache({ gauge }: Instruments, { cache }: WatchedGear): void {
  const help = 'Hits of all reads of a tier since the start, 0 to 1'
  gauge({ name: 'cache_hit_ratio', help, labels: ['tier'] }, () =>
    Object.entries(cache.stats().tiers).map(([tier, { hits, misses }]) => ({
      labels: { tier },
      value: hits === 0 ? 0 : hits / (hits + misses),
    })),
  )
  const single = (name: string, help: string, value: () => number, unit?: 'By'): void =>
    gauge({ name, help, labels: [], unit }, () => [{ labels: {}, value: value() }])
  single('cache_entries', 'Entries of the cache in this process', () => cache.stats().entries)
  single('cache_size', 'What the cache holds in this process', () => cache.stats().bytes, 'By')
}

function readLink({ gauge }: Instruments, { link$ }: WatchedGear): () => void {
  let state: Link['state'] = 'down'
  const subscription = link$.subscribe({ next: (link) => (state = link.state), complete: () => (state = 'down') })
  gauge({ name: 'link', help: '1 for the state of the link to the log of the fleet', labels: ['state'] }, () =>
    linkStates.map((name) => ({ labels: { state: name }, value: name === state ? 1 : 0 })),
  )
  return () => subscription.unsubscribe()
}

const modes = ['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled']
const linkStates: readonly Link['state'][] = ['down', 'catchingUp', 'linked']

/** The gauges of one collection ask together. */
function sharedWhileRunning<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined
  return () =>
    (asking ??= ask().finally(() => {
      asking = undefined
    }))
}

function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}

function readings(label: string, counts: ReadonlyMap<string, number>): readonly Reading[] {
  return [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }))
}
