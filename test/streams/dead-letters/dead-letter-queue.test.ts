import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { ConfigError, UnavailableError } from '../../../src/kernel/errors.ts'
import { durationMsMax } from '../../../src/kernel/options.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { deadLetterQueue } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: 1, error: new Error('failed') }
const dayMs = 86_400_000

describe('the queue of dead letters', () => {
  test('gives full pages, and no next at the end, over a store that does a little at a time and knows of nothing more', async () => {
    const clock = virtualClock()
    const memory = memoryLetters({ clock })
    const store: LetterStore = {
      ...memory,
      async page(filter, { limit, cursor, ...how }) {
        const { more: _, ...page } = await memory.page({}, { ...how, cursor, limit: Math.min(2, limit) })
        const items = page.items.filter(({ header }) => header.channel === filter.channel)
        return { ...page, items }
      },
    }
    const queue = deadLetterQueue(store, { clock, sweepEveryMs: 0 })
    for (let n = 0; n < 12; n++) await queue.enqueue({ ...draft, id: `${n}`, channel: n % 3 === 1 ? 'slack' : 'email' })
    const page = await queue.list({ channel: 'slack' }, { limit: 3 })
    expect(page.items.map(({ id }) => id)).toEqual(['acme.10', 'acme.7', 'acme.4'])
    const rest = await queue.list({ channel: 'slack' }, { limit: 3, cursor: page.next })
    expect(rest).toMatchObject({ items: [{ id: 'acme.1' }] })
    expect(rest.next).toBe(undefined)
    expect((await queue.list({ channel: 'slack' }, { limit: 4 })).next).toBe(undefined)
  })

  test('publishes each letter that is new, however it comes in, on its diagnostics channel', async () => {
    const clock = virtualClock()
    const queue = deadLetterQueue(memoryLetters({ clock }), { clock, sweepEveryMs: 0 })
    const seen: unknown[] = []
    const note = (message: unknown): void => void seen.push(message)
    subscribe('switchgear:letter', note)
    try {
      const first = await queue.enqueue({ ...draft, id: 'a' })
      await queue.enqueue({ ...draft, id: 'a' })
      await queue.purge(['acme.a'])
      await queue.enqueue({ ...draft, id: 'a' })
      await expect(queue.enqueue({ ...draft, organization: '' })).rejects.toThrow(ConfigError)
      expect(seen).toEqual([first])
    } finally {
      unsubscribe('switchgear:letter', note)
    }
  })

  test('is looked at all the same where what is too old cannot be dropped before, and says so once', async () => {
    const clock = virtualClock()
    const sweep = async (): Promise<never> => Promise.reject(new UnavailableError('disk', 'it is full'))
    const said: string[] = []
    const logger = { info() {}, warn: (_: object, message: string) => void said.push(message), error() {} }
    const queue = deadLetterQueue({ ...memoryLetters({ clock }), sweep }, { clock, sweepEveryMs: 0, logger })
    await queue.enqueue({ ...draft, id: 'a' })
    expect([await queue.count(), await queue.purge(['acme.a'])]).toEqual([1, 1])
    expect(said).toEqual(['old dead letters could not be dropped'])
  })

  test('sweeps no sooner than in half the time that was given, also in the longest there is', async () => {
    const delays: number[] = []
    const clock = {
      ...virtualClock(),
      setTimeout(_run: () => void, delayMs: number) {
        delays.push(delayMs)
        return {}
      },
    }
    for (const chance of [0, 0.999])
      deadLetterQueue(memoryLetters(), { clock, random: { next: () => chance }, sweepEveryMs: durationMsMax })
    expect(delays).toEqual([durationMsMax / 2, durationMsMax])
  })

  test('adds up counts and rows that a store gives in parts', async () => {
    const clock = virtualClock({ startAt: 10_000 })
    const row = { organization: 'acme', channel: 'email', errorType: 'unknown', count: 3, parked: 1 } as const
    const store: LetterStore = {
      ...memoryLetters({ clock }),
      count: async (_filter, cursor) => (cursor === undefined ? { count: 3, next: 'x' } : { count: 4 }),
      rows: async (_filter, cursor) =>
        cursor === undefined
          ? { items: [{ ...row, oldestAt: 4_000 }], next: 'x' }
          : {
              items: [
                { ...row, oldestAt: 2_000 },
                { ...row, channel: 'slack', count: 9, oldestAt: 9_000 },
              ],
            },
      spilled: () => 7,
    }
    const queue = deadLetterQueue(store, { clock, sweepEveryMs: 0 })
    expect(await queue.count()).toBe(7)
    expect(await queue.stats()).toEqual({
      total: 15,
      parked: 3,
      spilled: 7,
      oldestAgeMs: 8_000,
      rows: [
        { organization: 'acme', channel: 'slack', errorType: 'unknown', count: 9, oldestAgeMs: 1_000 },
        { organization: 'acme', channel: 'email', errorType: 'unknown', count: 6, oldestAgeMs: 8_000 },
      ],
    })
  })

  test('sweeps what is too old by a timer, a part at a time, goes on after a failure, and stops when it is closed', async () => {
    const clock = virtualClock({ startAt: 100 * dayMs })
    const memory = memoryLetters({ clock })
    const warnings: string[] = []
    let swept = 0
    let closed = 0
    const store: LetterStore = {
      ...memory,
      async sweep(before) {
        swept += 1
        if (swept === 1) throw new UnavailableError('Redis', 'gone')
        return memory.sweep(before)
      },
      close: async () => void (closed += 1),
    }
    const logger = {
      info: () => {},
      warn: (_facts: object, message: string) => warnings.push(message),
      error: () => {},
    }
    const queue = deadLetterQueue(store, { clock, random: seededRandom(1), retentionDays: 1, logger })
    for (let n = 0; n < 1_500; n++) await queue.enqueue(draft)
    await clock.advanceBy(90_000)
    expect(warnings).toEqual(['old dead letters could not be dropped'])
    expect(await queue.count()).toBe(1_500)
    await clock.advanceBy(dayMs)
    expect(await queue.count()).toBe(0)
    expect(clock.pendingTimers).toBe(1)
    await queue.close?.()
    expect(clock.pendingTimers).toBe(0)
    expect(closed).toBe(1)
  })

  test('keeps what edits replaced, within the bound, and the newest in any case', async () => {
    const clock = virtualClock()
    const queue = deadLetterQueue(memoryLetters({ clock }), { clock, bodyBytesMax: 100, sweepEveryMs: 0 })
    const { id } = await queue.enqueue({ ...draft, payload: 'a'.repeat(40) })
    for (const letter of ['b', 'c', 'd']) await queue.edit(id, { payload: letter.repeat(40) })
    const kept = async () => (await queue.get(id))?.edits?.map(({ payload }) => String(payload).charAt(0))
    expect(await kept()).toEqual(['b', 'c'])
    await queue.edit(id, { payload: '"'.repeat(100) })
    await queue.edit(id, { payload: 'e' })
    expect(await kept()).toEqual(['"'])
    await queue.edit(id, { channel: 'slack' })
    expect((await queue.get(id))?.edits?.at(-1)).toEqual({ at: 0, version: 6, channel: 'email' })
  })

  test('does not write for ever against a letter that changes all the time', async () => {
    const clock = virtualClock()
    const store: LetterStore = { ...memoryLetters({ clock }), replace: async () => false }
    const queue = deadLetterQueue(store, { clock, sweepEveryMs: 0 })
    const { id } = await queue.enqueue(draft)
    await expect(queue.edit(id, { payload: 2 })).rejects.toThrow(UnavailableError)
    await expect(queue.park([id])).rejects.toThrow(UnavailableError)
  })

  test('takes options that can be meant and no others', () => {
    for (const [path, options] of [
      ['deadLetterQueue.lettersMax', { lettersMax: 0 }],
      ['deadLetterQueue.maxRedrives', { maxRedrives: 0 }],
      ['deadLetterQueue.sweepEveryMs', { sweepEveryMs: -1 }],
      ['deadLetterQueue.logger', { logger: {} }],
      ['deadLetterQueue.retention', { retention: 1 }],
    ] as const) {
      expect(() => deadLetterQueue(memoryLetters(), options as object)).toThrow(ConfigError)
      expect(() => deadLetterQueue(memoryLetters(), options as object)).toThrow(path)
    }
  })
})
