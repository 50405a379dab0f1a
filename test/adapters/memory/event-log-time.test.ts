import { describe, expect, test } from 'vitest'
import { memoryLog, memoryLogDefaults, type MemoryLogOptions } from '../../../src/adapters/memory/event-log.ts'
import { OverCapacityError } from '../../../src/kernel/errors.ts'
import type { Link, LogAppend, LogMembership, StoredMessage } from '../../../src/ports/event-log.ts'
import { messageBytesMax } from '../../../src/ports/event-log.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

const message = (topic: string, id: string, expected = 0, bytes = 1): LogAppend => ({
  topic,
  id,
  expected,
  data: new Uint8Array(bytes),
})

interface Heard {
  readonly links: Link[]
  readonly messages: StoredMessage[]
  readonly errors: unknown[]
}

/** A member of a log on a virtual clock, and what it heard. */
function joined(options: MemoryLogOptions = {}, startAt = 1_000): Heard & { clock: VirtualClock; log: LogMembership } {
  const clock = virtualClock({ startAt })
  const heard: Heard = { links: [], messages: [], errors: [] }
  const logger = { ...silentLogger, error: (...said: unknown[]): void => void heard.errors.push(said) }
  const log = memoryLog({ clock, ...options }).join(
    { fleet: 'alerts', instance: 'a', logger },
    {
      onLink: (link) => void heard.links.push(link),
      onPreview: () => expect.unreachable(),
      onMessage(stored) {
        heard.messages.push(stored)
        if (stored.id === 'bad') throw new Error('of the follower')
      },
    },
  )
  return { ...heard, clock, log }
}

describe('the time of a log in memory', () => {
  test('is whole, and goes on with the monotonic clock', async () => {
    const { clock, log, links, messages } = joined({}, 1_000.75)
    await clock.advanceBy(9.5)
    await log.append(message('smtp', 'one'))
    await clock.settle()
    expect(links).toEqual([
      { state: 'catchingUp', at: 1_000, newEpoch: false },
      { state: 'linked', at: 1_000 },
    ])
    expect(messages).toEqual([{ ...message('smtp', 'one'), seq: 1, at: 1_010 }])
  })
})

describe('with a latency', () => {
  const options = { random: { next: () => 0.5 }, latencyMs: { min: 10, max: 30 } }

  test('an append takes it to the log and back, and the message takes it once more', async () => {
    const { clock, log, messages } = joined(options)
    await clock.advanceBy(100)
    let answer: unknown
    void log.append(message('smtp', 'one')).then((result) => (answer = result))
    await clock.advanceBy(39)
    expect([answer, messages]).toEqual([undefined, []])
    await clock.advanceBy(1)
    expect(answer).toEqual({ status: 'stored', seq: 1 })
    expect(messages).toMatchObject([{ id: 'one', at: 1_120 }])
  })

  test('reading takes it as well', async () => {
    const { clock, log } = joined(options)
    const read = log.read('smtp')
    await clock.runUntil(read)
    expect(clock.monotonic()).toBe(40)
  })

  test('what was sent later does not arrive sooner, however the chances fall', async () => {
    const chances = [0, 0, 1, 0, 0, 0]
    const { clock, links } = joined({ ...options, random: { next: () => chances.shift() ?? 0 } })
    await clock.advanceBy(9)
    expect(links).toEqual([])
    await clock.advanceBy(1)
    expect(links.map(({ state }) => state)).toEqual(['catchingUp', 'linked'])
  })

  test('what is under way to a member that leaves does not arrive', async () => {
    const { clock, log, links } = joined(options)
    await log.leave()
    await clock.advanceBy(1_000)
    expect(links).toEqual([])
  })
})

test('what is under way to a member that leaves does not arrive without a latency either', async () => {
  const { clock, log, links } = joined()
  await log.leave()
  await clock.settle()
  expect(links).toEqual([])
})

test('that a follower throws is logged, with what it threw, and it hears the next message', async () => {
  const { clock, log, messages, errors } = joined()
  await log.append(message('smtp', 'bad'))
  await log.append(message('smtp', 'good', 1))
  await clock.settle()
  expect(messages.map(({ id }) => id)).toEqual(['bad', 'good'])
  expect(errors).toEqual([
    [{ err: new Error('of the follower') }, 'a follower of the log threw; it goes on with the next message'],
  ])
})

describe('the bounds of a log in memory', () => {
  test('are 100,000 topics, unless told otherwise', () => expect(memoryLogDefaults).toEqual({ topicsMax: 100_000 }))

  test('refuse one topic too many, and not the next message of one that there is', async () => {
    const { log } = joined({ topicsMax: 2 })
    await log.append(message('smtp', 'one'))
    await log.append(message('slack', 'two'))
    const refusal: unknown = await log.append(message('sms', 'three')).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(OverCapacityError)
    expect(refusal).toMatchObject({
      bound: 'topicsMax',
      max: 2,
      message: expect.stringMatching(/^the log in memory: /) as unknown,
    })
    expect(await log.append(message('smtp', 'four', 1))).toEqual({ status: 'stored', seq: 3 })
  })

  test('refuse a message that is too long, by its topic, and take the longest', async () => {
    const { log } = joined()
    const refusal: unknown = await log
      .append(message('smtp', 'one', 0, messageBytesMax + 1))
      .catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(OverCapacityError)
    expect(refusal).toMatchObject({
      bound: 'messageBytesMax',
      max: messageBytesMax,
      message: expect.stringMatching(/^a message for "smtp": /) as unknown,
    })
    expect(await log.append(message('smtp', 'one', 0, messageBytesMax))).toMatchObject({ status: 'stored' })
  })
})

test.each<[object, string, string]>([
  [{ clock: 1 }, 'memoryLog.clock', 'expected a clock'],
  [{ random: {} }, 'memoryLog.random', 'expected a source of chance: { next() }'],
  [{ topicsMax: 0 }, 'memoryLog.topicsMax', '0'],
  [{ latencyMs: { min: -1, max: 1 } }, 'memoryLog.latencyMs.min', '-1'],
  [{ latencyMs: { min: 0, max: 2 ** 31 } }, 'memoryLog.latencyMs.max', '2147483648'],
  [{ latencyMs: { min: 0, max: 1, mean: 1 } }, 'memoryLog.latencyMs.mean', 'is not a known option'],
  [{ latency: 1 }, 'memoryLog.latency', 'is not a known option'],
])('a log in memory is not made of %j', (options, path, rule) => {
  expect(() => memoryLog(options)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
  expect(() => memoryLog(options)).toThrow(rule)
})
