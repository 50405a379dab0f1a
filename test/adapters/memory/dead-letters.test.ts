import { describe, expect, test } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { ConfigError, OverCapacityError } from '../../../src/kernel/errors.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

portContracts.deadLetters(test, (bounds) => memoryDeadLetters(bounds))

const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: 1, error: new Error('failed') }
const dayMs = 86_400_000

describe('dead letters in memory', () => {
  test('come newest first in the order in which they were enqueued, also within a millisecond', async () => {
    const queue = memoryDeadLetters({ clock: virtualClock() })
    for (const id of ['a', 'c', 'b']) await queue.enqueue({ ...draft, id })
    expect((await queue.list()).items.map(({ id }) => id)).toEqual(['acme.b', 'acme.c', 'acme.a'])
  })

  test('are stamped by the clock that was given, and their ids come from the chance that was given', async () => {
    const queues = [1, 1].map((seed) => {
      return memoryDeadLetters({ clock: virtualClock({ startAt: 1_000.5 }), random: seededRandom(seed) })
    })
    const [one, other] = await Promise.all(queues.map((queue) => queue.enqueue(draft)))
    expect(one?.createdAt).toBe(1_000.5)
    expect(one?.id).toBe(other?.id)
  })

  test('are dropped when their retention is over, and not a millisecond before', async () => {
    const clock = virtualClock()
    const queue = memoryDeadLetters({ clock, retentionDays: 2, lettersMax: 2 })
    await queue.enqueue({ ...draft, id: 'first' })
    await clock.advanceBy(dayMs)
    await queue.enqueue({ ...draft, id: 'second' })
    await clock.advanceBy(dayMs)
    expect(await queue.count()).toBe(2)
    await clock.advanceBy(1)
    expect(await queue.get('acme.first')).toBe(undefined)
    expect(await queue.count()).toBe(1)
    await queue.enqueue({ ...draft, id: 'third' })
    expect((await queue.list()).items.map(({ id }) => id)).toEqual(['acme.third', 'acme.second'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('are refused when all of them together would take too much, and taken again when the old ones are gone', async () => {
    const clock = virtualClock()
    const queue = memoryDeadLetters({ clock, charactersMax: 20_000, retentionDays: 1 })
    const payload = 'x'.repeat(5_000)
    const results = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e'].map((organization) => queue.enqueue({ ...draft, organization, payload })),
    )
    const refusal: unknown = results.find((result) => result.status === 'rejected')?.reason
    expect(refusal).toBeInstanceOf(OverCapacityError)
    expect(refusal).toMatchObject({ bound: 'charactersMax', max: 20_000 })
    expect(await queue.count()).toBeGreaterThanOrEqual(2)
    await clock.advanceBy(dayMs + 1)
    expect(await queue.count()).toBe(0)
    await queue.enqueue({ ...draft, payload })
    expect(await queue.count()).toBe(1)
  })

  test('come and go by the thousand without the store growing', async () => {
    const clock = virtualClock()
    const queue = memoryDeadLetters({ clock, retentionDays: 1 / 86_400, lettersMax: 5_000 })
    for (let i = 0; i < 12; i++) {
      for (let n = 0; n < 1_000; n++) await queue.enqueue(draft)
      await clock.advanceBy(500)
    }
    expect(await queue.count()).toBe(2_000)
  })

  test('take options that can be meant and no others', () => {
    for (const [path, options] of [
      ['memoryDeadLetters.lettersMax', { lettersMax: 0 }],
      ['memoryDeadLetters.bodyBytesMax', { bodyBytesMax: 1.5 }],
      ['memoryDeadLetters.retentionDays', { retentionDays: 0 }],
      ['memoryDeadLetters.retentionDays', { retentionDays: 36_501 }],
      ['memoryDeadLetters.retention', { retention: 1 }],
      ['memoryDeadLetters.clock', { clock: 1 }],
    ] as const) {
      expect(() => memoryDeadLetters(options as object)).toThrow(ConfigError)
      expect(() => memoryDeadLetters(options as object)).toThrow(path)
    }
  })
})
