import { createSwitchgear, memoryLog, type BreakerOptions } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { breakerConflicts } from '../../src/machines/breaker-conflicts.ts'
import { breakerSettings } from '../../src/machines/breaker-options.ts'
import { sharedEvidence, type Digest, type SharedEvidence } from '../../src/machines/shared-evidence.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts'

const instances = 50
const options: BreakerOptions = { failureThreshold: false, failureRate: { over: { calls: 20 }, threshold: 0.5 } }

/** Each instance makes a call a second; the dependency dies after half a minute. How long until the first trips, in ms. */
async function detectMs(breaker: BreakerOptions, errorRate = 0): Promise<{ ms: number; broadcasts: number }> {
  const clock = virtualClock()
  const random = seededRandom(11)
  const inner = memoryLog({ clock, random, latencyMs: { min: 1, max: 5 } })
  let broadcasts = 0
  const log: typeof inner = {
    join(member, follower) {
      const membership = inner.join(member, follower)
      const broadcast = (channel: string, data: Uint8Array): void => {
        broadcasts++
        membership.broadcast(channel, data)
      }
      return { ...membership, broadcast }
    },
  }
  const gears = Array.from({ length: instances }, (_, i) => createSwitchgear({ instance: `i${i}`, log, clock, random }))
  const breakers = gears.map((gear) => gear.breaker('smtp', breaker))
  let dead = false
  let trippedAt: number | undefined
  for (const gear of gears) {
    gear.transitions$.subscribe(({ to }) => {
      if (to === 'open') trippedAt ??= clock.monotonic()
    })
  }
  const call = async (): Promise<void> => {
    if (dead || random.next() < errorRate) throw new Error('down')
  }
  async function second(): Promise<void> {
    for (const guarded of breakers) {
      await guarded.run(call).catch(() => {})
      await clock.advanceBy(1_000 / instances)
    }
  }
  for (let i = 0; i < 30; i++) await second()
  expect(trippedAt).toBeUndefined()
  dead = true
  const diedAt = clock.monotonic()
  const before = broadcasts
  while (trippedAt === undefined && clock.monotonic() < diedAt + 60_000) await second()
  await Promise.all(gears.map((gear) => gear.close()))
  expect(clock.pendingTimers).toBe(0)
  return { ms: (trippedAt ?? Infinity) - diedAt, broadcasts: before }
}

test('with thin traffic, shared evidence finds a dead dependency more than ten times sooner', async () => {
  const alone = await detectMs(options)
  const together = await detectMs({ ...options, sharedEvidence: true })
  console.info(`detected after ${alone.ms} ms alone, ${together.ms} ms together`)
  expect(together.ms * 10).toBeLessThan(alone.ms)
})

test('a healthy fleet is silent', async () => {
  const { broadcasts } = await detectMs({ ...options, sharedEvidence: true })
  expect(broadcasts).toBe(0)
})

test('an error now and then opens nobody, since the good news is told as well', async () => {
  const { broadcasts, ms } = await detectMs({ ...options, sharedEvidence: true }, 0.05)
  expect(broadcasts).toBeGreaterThan(0)
  expect(ms).toBeLessThan(2_000)
})

test.each([
  [{ quorum: 2 }, 'quorum (2)'],
  [{ failureRate: undefined }, 'neither failureRate nor slowCallRate'],
  [{ failureRate: undefined, quorum: 2 }, 'neither failureRate nor slowCallRate'],
])('of evidence that nothing comes of, %j, instances warn and `verify` fails', (given, words) => {
  const conflicts = breakerConflicts(
    breakerSettings({ ...options, failureThreshold: 5, sharedEvidence: true, ...given }),
    'x',
  )
  const message = expect.stringContaining(words) as string
  expect(conflicts).toEqual([{ rule: 'nothingToShare', path: 'x.sharedEvidence', message }])
})

describe('a digest', () => {
  interface Sharing {
    readonly clock: VirtualClock
    readonly shared: SharedEvidence
    /** What was sent, each with the time. */
    readonly sent: readonly { readonly at: number; readonly digest: unknown }[]
    readonly heard: readonly Digest[]
    inTerm(term: number): void
    tell(digest: unknown): void
  }

  /** One instance of a fleet that the test speaks for. */
  function sharing(): Sharing {
    const clock = virtualClock()
    const sent: { at: number; digest: unknown }[] = []
    const heard: Digest[] = []
    let now = 0
    let hear: (data: Uint8Array) => void = () => {}
    const shared = sharedEvidence({
      clock,
      term: () => now,
      broadcast: (data) => sent.push({ at: clock.monotonic(), digest: JSON.parse(new TextDecoder().decode(data)) }),
      listen(given) {
        hear = given
        return () => {}
      },
      heard: (digest) => heard.push(digest),
    })
    return {
      clock,
      shared,
      sent,
      heard,
      inTerm: (term) => (now = term),
      tell: (digest) => hear(new TextEncoder().encode(JSON.stringify(digest))),
    }
  }

  const one = { v: 1, term: 0, calls: 1, failures: 1, slow: 0 }

  test('of a breaker is sent every 200 ms at most, and leaves nothing out', async () => {
    const { clock, shared, sent } = sharing()
    for (let call = 0; call < 80; call++) {
      shared.note(true, false)
      await clock.advanceBy(10)
    }
    expect(sent.map(({ at }) => at)).toEqual([0, 200, 400, 600, 800])
    expect(sent.map(({ digest }) => digest)).toMatchObject(
      [1, 19, 20, 20, 20].map((calls) => ({ calls, failures: calls })),
    )
  })

  test('tells of one term alone: what was counted before it changed is told in neither', async () => {
    const { clock, shared, sent, inTerm } = sharing()
    shared.note(true, false)
    await clock.advanceBy(100)
    for (let call = 0; call < 8; call++) shared.note(true, false)
    inTerm(2)
    await clock.advanceBy(200)
    expect(sent).toEqual([{ at: 0, digest: one }])

    shared.note(true, false)
    await clock.advanceBy(100)
    for (let call = 0; call < 8; call++) shared.note(true, false)
    inTerm(3)
    shared.note(true, true)
    await clock.advanceBy(200)
    const ofTwo = { ...one, term: 2 }
    expect(sent.slice(1).map(({ digest }) => digest)).toEqual([ofTwo, { ...ofTwo, term: 3, slow: 1 }])
  })

  test('of another term, or that is none, is not heard', () => {
    const { heard, inTerm, tell } = sharing()
    inTerm(2)
    for (const term of [1, 2, 3]) tell({ ...one, term, calls: 10 + term })
    tell({ ...one, term: 2, calls: -1 })
    tell('gibberish')
    expect(heard).toMatchObject([{ term: 2, calls: 12 }])
  })
})
