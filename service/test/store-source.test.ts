import { type TakenItem, UnavailableError } from 'switchgear'
import { afterEach, expect, it, vi } from 'vitest'
import { until } from '../../test/servers/until.ts'
import type { MessageInHand } from '../src/delivery/message-in-hand.ts'
import type { Claimed } from '../src/store/stored-alert.ts'
import { storeSource } from '../src/delivery/store-source.ts'

afterEach(() => void vi.useRealTimers())

const destination = 'email:host'
const logger = { info() {}, warn() {}, error() {} }

/** A source over a store that is there or away, with how often it was asked, and what was given. */
function sourceOver(store: { isAway: boolean; messages?: readonly Claimed[] }) {
  let claims = 0
  const claim = async (): Promise<readonly Claimed[]> => {
    if (store.isAway) throw new UnavailableError('PostgreSQL', 'it is away')
    claims += 1
    return store.messages ?? []
  }
  const source = storeSource({
    store: { claim, claimExpired: async () => [] },
    gear: { breakers: new Map() },
    organizations: new Map(),
    holds: { leftMs: () => 0 },
    recorder: { record: async () => {}, giveUp() {} },
    settle: async ({ message: { id } }) => ({ id, state: 'delivered', attempts: [], reached: [] }),
    logger,
  })
  const given: TakenItem<MessageInHand>[] = []
  source.open({ item: (taken) => void given.push(taken), end() {} }).request(10)
  /** What a look into the store that was answered says; gives how many claims come of it. */
  const look = async (): Promise<number> => {
    const before = claims
    source.wake([destination])
    source.expire()
    await source.idle()
    return claims - before
  }
  return { source, look, given, claimed: () => claims }
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
    source.wake([destination])
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

it('A message that comes again while it is in hand, since its lease was over, is not sent by the same process again', async () => {
  const alert = { organization: 'acme', id: 'a', severity: 'low', status: 'firing', type: 't', title: 't' } as const
  const message: Claimed = {
    id: 'm',
    alert: { ...alert, message: 'm', labels: {}, acceptedAt: 0 },
    receiver: 'ops',
    channel: 'email',
    destination,
    attempts: [],
    reached: [],
    refused: {},
    leftMs: 60_000,
  }
  const { source, given, claimed } = sourceOver({ isAway: false, messages: [message] })
  source.wake([destination])
  await until('the message', () => given[0])
  const before = claimed()
  source.wake([destination])
  await until('it to be claimed again', () => claimed() > before || undefined)
  await until('what is claimed to be given', () => new Promise<true>((resolve) => setImmediate(() => resolve(true))))
  expect(given).toHaveLength(1)
  await given[0]?.settle({ status: 'delivered', value: {}, attempts: 1, durationMs: 1 })
})
