import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import type { Limiter } from '../../../src/ports/limiter.ts'
import { destinationHolds } from '../../../src/streams/pipeline/destination-holds.ts'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { askedToWait, down, gearOn, line, parcel, type Parcel, shelf, watched } from './deliver-rig.ts'

const letter = ({ id, organization }: Parcel) => ({ organization, channel: 'mail', messageId: `m${id}`, payload: id })
const forGood = { by: 'ann', reason: 'maintenance' }

describe('while its breaker is open, an item', () => {
  test('is refused at once where it is not to wait', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen({ ...forGood, forMs: 60_000 }))
    const { outcomes, push } = line({ through: smtp, to: down, whenOpen: 'refuse' }, clock)
    push(1)
    await clock.settle()
    expect(outcomes).toMatchObject([{ status: 'refused', reason: 'breakerOpen', retryAfterMs: 60_000 }])
  })

  test('becomes a letter of type circuit_open where that is wanted', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen(forGood))
    const queue = memoryDeadLetters({ clock })
    const { outcomes, push } = line(
      { through: smtp, to: down, whenOpen: 'deadLetter', deadLetter: { queue, describe: letter } },
      clock,
    )
    push(1)
    await clock.settle()
    expect(outcomes).toMatchObject([{ status: 'deadLettered', attempts: 0, error: { type: 'circuit_open' } }])
  })

  test.each(['refuse', 'deadLetter'] as const)(
    'that was attempted before ends with its last error (%s)',
    async (whenOpen) => {
      const clock = virtualClock()
      const gear = await gearOn(clock)
      const queue = memoryDeadLetters({ clock })
      const through = gear.breaker('smtp', { failureThreshold: 1 })
      const { outcomes, push } = line(
        { through, to: down, whenOpen, retry: { baseDelayMs: 10 }, deadLetter: { queue, describe: letter } },
        clock,
      )
      push(1)
      await clock.advanceBy(100)
      expect(outcomes).toMatchObject([
        { status: 'deadLettered', attempts: 1, error: { message: 'down', gaveUp: 'final' } },
      ])
    },
  )

  test('waits for an operator, and goes as soon as the breaker is released', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen(forGood))
    const { said, push } = line({ through: smtp, to: async () => 1 }, clock)
    push(1, 2)
    await clock.advanceBy(3_600_000)
    expect(said()).toEqual([])
    expect(clock.pendingTimers).toBe(0)
    await clock.runUntil(smtp.release(forGood))
    await clock.settle()
    expect(said()).toEqual(['1:delivered', '2:delivered'])
  })

  test('ends as expired when it has waited longer than maxAgeMs, counted from when it was accepted', async () => {
    const clock = virtualClock({ startAt: 10_000 })
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen(forGood))
    const queue = memoryDeadLetters({ clock })
    const startedAt = clock.monotonic()
    const { outcomes, push, source, ends } = line(
      {
        through: smtp,
        to: down,
        maxAgeMs: 1_000,
        acceptedAt: ({ id }) => clock.now() - 100 * id,
        deadLetter: { queue, describe: letter },
      },
      clock,
    )
    push(3, 1)
    source.complete()
    await clock.advanceBy(700)
    expect(outcomes).toMatchObject([
      { item: parcel(3), status: 'deadLettered', error: { type: 'expired' }, durationMs: 700 },
    ])
    await clock.advanceBy(200)
    expect(outcomes).toHaveLength(2)
    expect(clock.monotonic() - startedAt).toBe(900)
    expect(ends).toEqual(['complete'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('does not hold up those of another destination', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    await clock.runUntil(gear.breaker('down').forceOpen(forGood))
    const { said, push } = line(
      { through: ({ id }) => gear.breaker(id < 10 ? 'down' : 'up'), to: async () => 1, concurrency: 1 },
      clock,
    )
    push(1, 2, 3, 10, 11)
    await clock.settle()
    expect(said()).toEqual(['10:delivered', '11:delivered'])
  })

  test('does not hold up those that have none', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    await clock.runUntil(gear.breaker('down').forceOpen(forGood))
    const through = ({ id }: Parcel) => (id < 10 ? gear.breaker('down') : undefined)
    const { said, push } = line({ through, to: async () => 1 }, clock)
    push(1, 10, 2, 11)
    await clock.settle()
    expect(said()).toEqual(['10:delivered', '11:delivered'])
  })

  test('keeps the attempts it has had, and its deadline stands still', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('smtp', { failureThreshold: 1, recoveryTimeoutMs: 5_000 })
    let isDown = true
    const { outcomes, push } = line(
      {
        through,
        to: async () => (isDown ? down() : 1),
        retry: { baseDelayMs: 100, deadlineMs: 1_000, maxAttempts: 2 },
      },
      clock,
    )
    push(1)
    await clock.advanceBy(1_000)
    isDown = false
    await clock.advanceBy(6_000)
    expect(outcomes).toMatchObject([{ status: 'delivered', attempts: 2 }])
  })

  test('does not use up its attempts as the one that is sent to try: they take turns', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const recovery = { recoveryTimeoutMs: 1_000, recoveryBackoff: { multiplier: 1 } }
    const through = gear.breaker('smtp', { failureThreshold: 1, ...recovery })
    let probes = 0
    const { outcomes, push } = line(
      {
        through,
        to: (_item, { probe }) => {
          if (probe !== undefined) probes += 1
          return clock.monotonic() < 20_000 ? down() : Promise.resolve(1)
        },
        retry: { maxAttempts: 3, baseDelayMs: 10 },
      },
      clock,
    )
    push(...Array.from({ length: 30 }, (_, id) => id))
    await clock.advanceBy(25_000)
    expect(probes).toBeGreaterThan(10)
    expect(outcomes.filter(({ status }) => status === 'delivered')).toHaveLength(30)
  })

  test('is not asked for, where all go the same way', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen(forGood))
    const { source$, wanted, give } = shelf()
    const { said, unsubscribe } = watched(
      source$.pipe(deliver({ through: smtp, to: async () => 1, concurrency: 2, maxWaiting: 2 }, { clock })),
    )
    expect(wanted()).toBe(4)
    give(1, 2)
    unsubscribe()
    expect(said()).toEqual([])
    expect(wanted()).toBe(2)
  })
})

describe('Retry-After', () => {
  test('of a 503 holds back everything for that breaker, for maxDelayMs at most, and one goes first afterwards', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const at: [number, number][] = []
    const { push, said } = line(
      {
        through: gear.breaker('hook'),
        to: async ({ id }) => {
          at.push([id, clock.monotonic()])
          if (at.length === 1) throw askedToWait(3_600, 503)
          await clock.sleep(10)
        },
        retry: { maxDelayMs: 2_000 },
      },
      clock,
    )
    push(1)
    await clock.settle()
    push(2, 3)
    await clock.advanceBy(2_100)
    expect(at).toEqual([
      [1, 0],
      [1, 2_000],
      [2, 2_010],
      [3, 2_010],
    ])
    expect(said()).toHaveLength(3)
  })

  test('is shared by pipelines that share their holds, and kept where others set it', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('hook')
    const holds = destinationHolds({ clock })
    const at: number[] = []
    const one = line({ through, holds, to: () => Promise.reject(askedToWait(2)), retry: { maxAttempts: 1 } }, clock)
    const other = line({ through, holds, to: async () => at.push(clock.monotonic()) }, clock)
    one.push(1)
    await clock.settle()
    other.push(2)
    await clock.advanceBy(3_000)
    holds.hold('hook', 500)
    other.push(3)
    await clock.advanceBy(1_000)
    expect(at).toEqual([2_000, 3_500])
    expect(one.outcomes).toMatchObject([{ status: 'failed', error: { gaveUp: 'attempts' } }])
  })
})

describe('what would have to wait longer in hand than it may', () => {
  const limits = { email: { limit: 10, windowMs: 60_000 } }

  test('is handed back, with when to come again: what comes, what waits, and what was attempted', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('smtp', {
      failureThreshold: 1,
      recoveryTimeoutMs: 5_000,
      recoveryBackoff: { jitter: 'none' },
    })
    const memory = memoryLimiter({ clock, limits })
    const { source$, give, settled, wanted } = shelf()
    const { said, outcomes } = watched(
      source$.pipe(
        deliver(
          {
            through: () => through,
            to: async () => {
              await clock.sleep(100)
              return down()
            },
            limit: { limiter: memory, names: 'email', key: () => 'acme' },
            retry: { baseDelayMs: 10 },
            ...{ concurrency: 1, maxWaiting: 2, waitInHandMs: 1_000 },
          },
          { clock },
        ),
      ),
    )
    give(1, 2)
    await clock.advanceBy(200)
    expect(said().toSorted()).toEqual(['1:breakerOpen', '2:breakerOpen'])
    give(3)
    await clock.settle()
    expect(outcomes.map((outcome) => outcome.status === 'refused' && (outcome.retryAfterMs ?? 0) > 4_500)).toEqual([
      true,
      true,
      true,
    ])
    expect(settled.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
    expect(wanted()).toBe(3)
    expect((await memory.peek('acme', 'email')).limits).toMatchObject([{ remaining: 9 }])
    expect(clock.pendingTimers).toBe(0)
  })

  test('is handed back by a longer Retry-After than that, also after its last attempt; a shorter one is waited for', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('hook')
    const waits = [5, 1]
    const { outcomes, push } = line(
      {
        through,
        to: () => Promise.reject(askedToWait(waits.shift() ?? 5)),
        retry: { maxAttempts: 1 },
        waitInHandMs: 2_000,
      },
      clock,
    )
    push(1)
    await clock.advanceBy(5_000)
    push(2)
    await clock.settle()
    expect(outcomes).toMatchObject([
      { status: 'refused', reason: 'breakerOpen', retryAfterMs: 5_000 },
      { status: 'failed', error: { gaveUp: 'attempts' } },
    ])
  })

  test('is handed back as the rest is while the pipeline drains', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const stopping = new AbortController()
    const { said, ends, push } = line(
      {
        through: gear.breaker('hook'),
        async to() {
          await clock.sleep(100)
          throw askedToWait(5)
        },
        retry: { maxAttempts: 1 },
        waitInHandMs: 0,
        signal: stopping.signal,
      },
      clock,
    )
    push(1)
    stopping.abort()
    await clock.advanceBy(100)
    expect(said()).toEqual(['1:closing'])
    expect(ends).toEqual(['complete'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('waits in hand for a short while, and is too old rather than handed back', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const through = gear.breaker('smtp')
    await clock.runUntil(through.forceOpen({ ...forGood, forMs: 900 }))
    const { said, push } = line(
      { through, to: async () => 1, waitInHandMs: 1_000, maxAgeMs: ({ id }) => (id === 3 ? 0 : 60_000) },
      clock,
    )
    push(1)
    await clock.advanceBy(1_000)
    await clock.runUntil(through.forceOpen(forGood))
    push(2, 3)
    await clock.advanceBy(100)
    expect(said()).toEqual(['1:delivered', '2:breakerOpen', '3:failed'])
  })
})

describe('a limit', () => {
  const limits = { email: { limit: 2, windowMs: 1_000 } }

  test('that refuses a key is asked again when it is time, by one and not by all, and other keys go on', async () => {
    const clock = virtualClock()
    const memory = memoryLimiter({ clock, limits })
    const asked: [string, number][] = []
    const check: Limiter['check'] = (key, names) => {
      asked.push([key, clock.monotonic()])
      return memory.check(key, names)
    }
    const { push, said } = line(
      {
        key: ({ organization }) => organization,
        limit: { limiter: { ...memory, check }, names: 'email' },
        to: async () => 1,
        concurrency: 1,
      },
      clock,
    )
    push(1, 2, 3, 4, 5, parcel(6, 'globex'))
    await clock.advanceBy(999)
    expect(said()).toEqual(['1:delivered', '2:delivered', '6:delivered'])
    expect(asked.filter(([key]) => key === 'acme')).toHaveLength(3)
    await clock.advanceBy(1_100)
    expect(said()).toHaveLength(6)
    expect(asked.filter(([, at]) => at === 1_000)).toHaveLength(3)
  })

  test('refuses where items are not to wait, and for ever what can never pass', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ clock, limits })
    const refusing = line(
      { limit: { limiter, names: 'email', key: () => 'acme', onLimited: 'refuse' }, to: async () => 1 },
      clock,
    )
    refusing.push(1, 2, 3)
    await clock.settle()
    expect(refusing.outcomes.find(({ item }) => item.id === 3)).toMatchObject({
      status: 'refused',
      reason: 'rateLimited',
      retryAfterMs: 1_000,
    })
    refusing.push(4)
    await clock.settle()
    expect(refusing.said()).toContain('4:rateLimited')
    const dear = line(
      { limit: { limiter, names: () => [{ name: 'email', cost: 3 }], key: () => 'globex' }, to: async () => 1 },
      clock,
    )
    dear.push(1)
    await clock.settle()
    expect(dear.outcomes).toMatchObject([{ status: 'refused', reason: 'rateLimited', retryAfterMs: Infinity }])
  })

  test('does not count what was counted before', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ clock, limits })
    const { said, push } = line(
      { limit: { limiter, names: ({ id }) => (id > 9 ? undefined : 'email'), key: () => 'acme' }, to: async () => 1 },
      clock,
    )
    push(1, 10, 11, 12, 2)
    await clock.settle()
    expect(said()).toHaveLength(5)
  })

  test('that is broken lets items through; one that cannot be meant fails them', async () => {
    const clock = virtualClock()
    const broken = line(
      {
        limit: { limiter: { ...memoryLimiter(), check: down }, names: 'email', key: () => 'acme' },
        to: async () => 1,
      },
      clock,
    )
    broken.push(1)
    const wrong = line(
      { limit: { limiter: memoryLimiter(), names: 'emial', key: () => 'acme' }, to: async () => 1 },
      clock,
    )
    wrong.push(1)
    await clock.settle()
    expect(broken.said()).toEqual(['1:delivered'])
    expect(wrong.outcomes).toMatchObject([{ status: 'failed', attempts: 0, error: { name: 'ConfigError' } }])
  })

  test('is not asked for an item that is too old, and gets back what it booked for one that grew too old, before its letter', async () => {
    const clock = virtualClock()
    const memory = memoryLimiter({ clock, limits: { email: { limit: 1, windowMs: 60_000 } } })
    const check: Limiter['check'] = async (key, names) => {
      const decision = await memory.check(key, names)
      await clock.sleep(20)
      return decision
    }
    const letterOf = { organization: 'acme', channel: 'email', payload: {} }
    const left = async () => (await memory.peek('acme', 'email')).limits.map(({ remaining }) => remaining)
    // Its letters take for ever.
    const queue = { enqueue: () => new Promise<never>(() => {}) }
    const { push, said } = line(
      {
        maxAgeMs: ({ id }) => (id === 1 ? 0 : 10),
        limit: { limiter: { ...memory, check }, names: 'email', key: () => 'acme', onLimited: 'refuse' },
        deadLetter: { queue, describe: ({ id }) => ({ ...letterOf, messageId: String(id) }) },
        to: async () => 1,
      },
      clock,
    )
    push(1)
    await clock.settle()
    expect(await left()).toEqual([1])
    push(2)
    await clock.settle()
    expect(await left()).toEqual([0])
    await clock.advanceBy(30)
    expect(await left()).toEqual([1])
    expect(said()).toEqual([])
  })

  test('gets back what it booked for an item that its breaker did not let begin, or that was called off', async () => {
    const clock = virtualClock()
    const gear = await gearOn(clock)
    const smtp = gear.breaker('smtp', { failureThreshold: 1 })
    const memory = memoryLimiter({ clock, limits: { email: { limit: 10, windowMs: 60_000 } } })
    // While the limiter is being asked, the breaker opens.
    const check: Limiter['check'] = async (key, names) => {
      const decision = await memory.check(key, names)
      await clock.sleep(10)
      return decision
    }
    const { push, unsubscribe } = line(
      { through: smtp, to: async () => 1, limit: { limiter: { ...memory, check }, names: 'email', key: () => 'acme' } },
      clock,
    )
    push(1)
    await smtp.run(down).catch(() => {})
    await clock.advanceBy(50)
    expect((await memory.peek('acme', 'email')).limits).toMatchObject([{ remaining: 10 }])
    const other = line(
      { to: async () => 1, limit: { limiter: { ...memory, check }, names: 'email', key: () => 'acme' } },
      clock,
    )
    other.push(2)
    await clock.settle()
    other.unsubscribe()
    unsubscribe()
    await clock.advanceBy(50)
    expect((await memory.peek('acme', 'email')).limits).toMatchObject([{ remaining: 10 }])
  })
})
