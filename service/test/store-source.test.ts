import { createSwitchgear, destinationHolds, type TakenItem, UnavailableError } from 'switchgear'
import { afterEach, expect, it, vi } from 'vitest'
import { until } from '../../test/servers/until.ts'
import type { MessageInHand } from '../src/delivery/message-in-hand.ts'
import { storeSource, type StoreSourceOptions } from '../src/delivery/store-source.ts'
import type { Wanted } from '../src/store/claim-messages.ts'
import type { Claimed } from '../src/store/stored-alert.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const end of ends.splice(0)) await end()
})

const destination = 'email:host'
const logger = { info() {}, warn() {}, error() {} }

function messageOf(id: string, to = destination): Claimed {
  const alert = { organization: 'acme', id: 'a', severity: 'low', status: 'firing', type: 't', title: 't' } as const
  return {
    id,
    alert: { ...alert, message: 'm', labels: {}, acceptedAt: 0 },
    receiver: 'ops',
    channel: 'email',
    destination: to,
    attempts: [],
    reached: [],
    refused: {},
    leftMs: 60_000,
  }
}

interface GivenStore extends Partial<Pick<StoreSourceOptions['store'], 'claimExpired'>> {
  isAway: boolean
  due?: (wanted: readonly Wanted[]) => readonly Claimed[] | Promise<readonly Claimed[]>
}

/** A source over a store that is there or away, with what it was asked for, and what was given. */
function sourceOver(store: GivenStore, parts: Partial<Pick<StoreSourceOptions, 'gear' | 'holds'>> = {}) {
  const plans: (readonly Wanted[])[] = []
  const claim = async (wanted: readonly Wanted[]): Promise<readonly Claimed[]> => {
    if (store.isAway) throw new UnavailableError('PostgreSQL', 'it is away')
    plans.push(wanted)
    return store.due?.(wanted) ?? []
  }
  const source = storeSource({
    store: { claim, claimExpired: store.claimExpired ?? (async () => []) },
    gear: { breakers: new Map() },
    organizations: new Map(),
    holds: { leftMs: () => 0 },
    recorder: { record: async () => {}, giveUp() {} },
    settle: async ({ message: { id } }) => ({ id, state: 'delivered', attempts: [], reached: [] }),
    logger,
    ...parts,
  })
  const given: TakenItem<MessageInHand>[] = []
  const { request } = source.open({ item: (taken) => void given.push(taken), end() {} })
  request(10)
  /** What a look into the store that was answered says; gives how many claims come of it. */
  const look = async (): Promise<number> => {
    const before = plans.length
    source.wake([destination])
    source.expire()
    await source.idle()
    return plans.length - before
  }
  return { source, look, given, request, plans, claimed: () => plans.length }
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
  const { source, given, claimed } = sourceOver({ isAway: false, due: () => [messageOf('m')] })
  source.wake([destination])
  await until('the message', () => given[0])
  const before = claimed()
  source.wake([destination])
  await until('it to be claimed again', () => claimed() > before || undefined)
  await until('what is claimed to be given', () => new Promise<true>((resolve) => setImmediate(() => resolve(true))))
  expect(given).toHaveLength(1)
  await given[0]?.settle({ status: 'delivered', value: {}, attempts: 1, durationMs: 1 })
})

it('Each of more destinations than there are places has its turn, though all have more than can be sent', async () => {
  const turns = new Map(Array.from({ length: 40 }, (_, n) => [`email:host-${n}`, 0]))
  const { source, given, request } = sourceOver({
    isAway: false,
    due: (wanted) =>
      wanted.flatMap(({ destination: to, count }) => {
        const before = turns.get(to) ?? 0
        turns.set(to, before + count)
        return Array.from({ length: count }, (_, n) => messageOf(`${to} ${before + n}`, to))
      }),
  })
  source.wake(turns.keys())
  for (let sent = 0; sent < 800; sent += 1) {
    const { settle } = await until('a message', () => given.shift())
    request(1)
    await settle({ status: 'delivered', value: {}, attempts: 1, durationMs: 1 })
  }
  expect(Math.min(...turns.values())).toBeGreaterThanOrEqual(5)
})

it('A destination whose breaker tries it gets one message', async () => {
  const gear = createSwitchgear({ logger })
  ends.push(() => gear.close())
  const { source, plans } = sourceOver({ isAway: false }, { gear })
  const wake = async (): Promise<Wanted | undefined> => {
    source.wake([destination])
    await source.idle()
    return plans.at(-1)?.[0]
  }
  const breaker = gear.breaker(destination, { failureThreshold: 1, recoveryTimeoutMs: 50 })
  expect((await wake())?.count).toBeGreaterThan(1)
  await breaker.run(() => Promise.reject(new Error('reset'))).catch(() => {})
  await until('it to be tried', () => breaker.refusedForMs() === undefined || undefined)
  expect(await wake()).toEqual({ destination, count: 1 })
})

it('A destination that asked to be left alone is claimed for when that is over, without being named again', async () => {
  const holds = destinationHolds()
  const { source, claimed } = sourceOver({ isAway: false }, { holds })
  holds.hold(destination, 100)
  source.wake([destination])
  await until('a claim', () => claimed() || undefined)
  expect(holds.leftMs(destination)).toBe(0)
})

it('A destination that is named while a claim is under way is claimed for again: that may not have seen its message', async () => {
  let answer = (_messages: readonly Claimed[]): void => {}
  const due = () => new Promise<readonly Claimed[]>((resolve) => (answer = resolve))
  const { source, claimed } = sourceOver({ isAway: false, due })
  source.wake([destination])
  await until('the claim', () => claimed() || undefined)
  source.wake([destination])
  answer([])
  await until('another claim', () => claimed() === 2 || undefined, 5_000)
  answer([])
  await source.idle()
  expect(claimed()).toBe(2)
})

it('Messages that have waited too long are asked for until there are no more', async () => {
  let left = 7
  const counts: number[] = []
  const claimExpired = async (count: number): Promise<readonly Claimed[]> => {
    counts.push(count)
    return Array.from({ length: Math.min(count, left) }, () => messageOf(`m-${(left -= 1)}`))
  }
  const { source, given } = sourceOver({ isAway: false, claimExpired })
  source.expire()
  await until('all', () => given.length === 7 || undefined, 5_000)
  expect(counts[0]).toBeLessThan(7)
  for (const { item, settle } of given) {
    expect(item.message.leftMs).toBe(0)
    await settle({ status: 'delivered', value: {}, attempts: 1, durationMs: 1 })
  }
})
