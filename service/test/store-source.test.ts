import { UnavailableError } from 'switchgear'
import { afterEach, expect, it, vi } from 'vitest'
import { storeSource } from '../src/delivery/store-source.ts'

afterEach(() => void vi.useRealTimers())

const logger = { info() {}, warn() {}, error() {} }

/** A source over a store that is there or away, and says when it was asked. */
function sourceOver(store: { isAway: boolean }) {
  const claims: number[] = []
  const claim = async (): Promise<readonly never[]> => {
    if (store.isAway) throw new UnavailableError('PostgreSQL', 'it is away')
    claims.push(performance.now())
    return []
  }
  const source = storeSource({
    store: { claim, claimExpired: claim },
    gear: { breakers: new Map() },
    organizations: new Map(),
    holds: { leftMs: () => 0 },
    recorder: { record: async () => {}, giveUp() {} },
    settle: async () => ({ id: '', state: 'pending', attempts: [], reached: [] }),
    logger,
  })
  source.open({ item() {}, end() {} }).request(10)
  /** What a look into the store that was answered says, and what comes of it. */
  const look = async (): Promise<number> => {
    const before = claims.length
    source.wake(['email:host'])
    source.expire()
    await source.idle()
    return claims.length - before
  }
  return { source, look }
}

it('A store that was away for longer than claims last is claimed from only when others could write what they have sent', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const store = { isAway: false }
  const { source, look } = sourceOver(store)
  expect(await look()).toBeGreaterThan(0)
  store.isAway = true
  for (let second = 0; second < 60; second += 1) {
    vi.advanceTimersByTime(1_000)
    // A look fails; what was in hand asks for more.
    source.wake(['email:host'])
    await source.idle()
  }
  store.isAway = false
  expect(await look()).toBe(0)
  vi.advanceTimersByTime(9_000)
  expect(await look()).toBe(0)
  vi.advanceTimersByTime(1_001)
  expect(await look()).toBeGreaterThan(0)
})

it('A store that was away for a moment is claimed from at once', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const store = { isAway: true }
  const { look } = sourceOver(store)
  vi.advanceTimersByTime(20_000)
  expect(await look()).toBe(0)
  store.isAway = false
  expect(await look()).toBeGreaterThan(0)
})
