import {
  createSwitchgear,
  deliver,
  limit,
  memoryDeadLetters,
  memoryLimiter,
  memoryLog,
  type BreakerOptions,
  type EventLog,
  type SwitchgearOptions,
} from 'switchgear'
import { describe, expect, test } from 'vitest'
import { natsLog } from '../../src/nats.ts'
import { redisLimiter } from '../../src/redis.ts'
import { oneInstance } from '../machines/fleet-of.ts'

const over = { calls: 10 }
const refusing: EventLog = {
  join() {
    throw new Error('no room')
  },
}

describe('a breaker’s options', () => {
  test.each([
    [{ failureThreshold: 0 }, 'failureThreshold'],
    [{ failureThreshold: -1 }, 'failureThreshold'],
    [{ failureThreshold: 1.5 }, 'failureThreshold'],
    [{ failureThreshold: NaN }, 'failureThreshold'],
    [{ failureThreshold: '5' }, 'failureThreshold'],
    [{ failureThreshold: true }, 'failureThreshold'],
    [{ failureThreshold: null }, 'failureThreshold'],
    [{ failureTreshold: 5 }, 'failureTreshold'],
    [{ failureRate: 0.5 }, 'failureRate'],
    [{ failureRate: { threshold: 0.5 } }, 'failureRate.over'],
    [{ failureRate: { over, threshold: 1.01 } }, 'failureRate.threshold'],
    [{ failureRate: { over, threshold: -0.1 } }, 'failureRate.threshold'],
    [{ failureRate: { over } }, 'failureRate.threshold'],
    [{ failureRate: { over: { calls: 0 }, threshold: 0.5 } }, 'failureRate.over'],
    [{ failureRate: { over: { calls: 10, ms: 10 }, threshold: 0.5 } }, 'failureRate.over'],
    [{ failureRate: { over: {}, threshold: 0.5 } }, 'failureRate.over'],
    [{ failureRate: { over, threshold: 0.5, minimumCalls: 0 } }, 'failureRate.minimumCalls'],
    [{ failureRate: { over, threshold: 0.5, slowerThanMs: 5 } }, 'failureRate.slowerThanMs'],
    [{ slowCallRate: { over, threshold: 0.5 } }, 'slowCallRate.slowerThanMs'],
    [{ slowCallRate: { over, threshold: 0.5, slowerThanMs: 0 } }, 'slowCallRate.slowerThanMs'],
    [{ recoveryTimeoutMs: 0 }, 'recoveryTimeoutMs'],
    [{ recoveryTimeoutMs: Infinity }, 'recoveryTimeoutMs'],
    [{ recoveryTimeoutMs: 2 ** 31 }, 'recoveryTimeoutMs'],
    [{ recoveryBackoff: { multiplier: 0.5 } }, 'recoveryBackoff.multiplier'],
    [{ recoveryBackoff: { maxMs: -5 } }, 'recoveryBackoff.maxMs'],
    [{ recoveryBackoff: { jitter: 'some' } }, 'recoveryBackoff.jitter'],
    [{ recoveryBackoff: { jitter: { ratio: 2 } } }, 'recoveryBackoff.jitter'],
    [{ recoveryBackoff: { factor: 2 } }, 'recoveryBackoff.factor'],
    [{ probe: { leaseMs: 0 } }, 'probe.leaseMs'],
    [{ probe: { successesToClose: 0 } }, 'probe.successesToClose'],
    [{ probe: { check: 'ping' } }, 'probe.check'],
    [{ probe: { lease: 5 } }, 'probe.lease'],
    [{ quorum: 0 }, 'quorum'],
    [{ quorum: 17 }, 'quorum'],
    [{ sharedEvidence: 'yes' }, 'sharedEvidence'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
    [{ judge: 'failure' }, 'judge'],
    [5, ''],
    ['smtp', ''],
    [[], ''],
  ])('%j is refused with its place', async (options, path) => {
    const { gear } = await oneInstance()
    const at = path === '' ? 'breakers.smtp' : `breakers.smtp.${path}`
    expect(() => gear.breaker('smtp', options as BreakerOptions)).toThrow(
      expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path: expect.stringContaining(at) as string }),
    )
    expect(gear.breakers.size).toBe(0)
  })

  test('that are refused name the value that was given', async () => {
    const { gear } = await oneInstance()
    expect(() => gear.breaker('smtp', { quorum: 17 })).toThrow(/breakers\.smtp\.quorum: .*17/)
  })

  test.each([
    [{ failureRate: { over, threshold: 0.5, minimumCalls: 20 } }, 'failureRate.minimumCalls (20)'],
    [{ slowCallRate: { over, threshold: 0.5, slowerThanMs: 5, minimumCalls: 11 } }, 'slowCallRate.minimumCalls (11)'],
    [{ failureRate: { over, threshold: 0 } }, 'failureRate.threshold is 0'],
    [{ timeoutMs: 30_000 }, 'timeoutMs (30000)'],
    [{ probe: { leaseMs: 1_000 }, timeoutMs: 801 }, 'timeoutMs (801)'],
    [{ probe: { leaseMs: 1_000_001 } }, 'probe.leaseMs (1000001)'],
    [{ slowCallRate: { over, threshold: 0.5, slowerThanMs: 50 }, timeoutMs: 49 }, 'slowCallRate.slowerThanMs (50)'],
    [{ sharedEvidence: true }, 'sharedEvidence'],
    [{ failureThreshold: false }, 'it never trips by itself'],
  ] as const)('%j conflict: the breaker is made, and the logger warned', async (options, words) => {
    const warned: string[] = []
    const logger = { info() {}, error() {}, warn: (_facts: object, message: string) => void warned.push(message) }
    const { gear } = await oneInstance({ logger })
    gear.breaker('smtp', options)
    expect(warned).toHaveLength(1)
    expect(warned[0]).toContain(words)
    expect(warned[0]).toContain('breaker "smtp"')
  })

  test.each([
    [{ retry: { maxAttempts: 5 }, deadlineMs: 4_000 }, 'retry.maxAttempts', 'attempt 4 of retry.maxAttempts (5)'],
    [{ retry: { deadlineMs: 3_300 } }, 'retry.maxAttempts', 'retry.deadlineMs is 3300'],
    [
      { breakers: { smtp: { timeoutMs: 9_000 } }, retry: {}, deadlineMs: 9_000 },
      'breakers.smtp.timeoutMs',
      'timeoutMs (9000) is not below deadlineMs (9000)',
    ],
  ])('%j conflict with each other: the instance is made, and the logger warned', async (options, path, words) => {
    const warned: (readonly [object, string])[] = []
    const logger = {
      info() {},
      error() {},
      warn: (facts: object, message: string) => void warned.push([facts, message]),
    }
    await oneInstance({ ...options, logger })
    expect(warned).toEqual([[{ path }, expect.stringContaining(words)]])
  })

  test('that agree warn of nothing', async () => {
    const warned: string[] = []
    const logger = { info() {}, error() {}, warn: (_facts: object, message: string) => void warned.push(message) }
    const { gear } = await oneInstance({ logger, retry: { maxAttempts: 3 }, deadlineMs: 3_301 })
    gear.breaker('one')
    gear.breaker('two', { failureRate: { over, threshold: 0.5 }, timeoutMs: 24_000, sharedEvidence: true })
    expect(warned).toEqual([])
  })
})

describe('an instance’s options', () => {
  test.each([
    [{ fleet: '' }, 'fleet'],
    [{ fleet: 'a b' }, 'fleet'],
    [{ fleet: 'x'.repeat(65) }, 'fleet'],
    [{ fleet: 7 }, 'fleet'],
    [{ instance: '' }, 'instance'],
    [{ instance: 'x'.repeat(129) }, 'instance'],
    [{ log: {} }, 'log'],
    [{ logger: {} }, 'logger'],
    [{ clock: { now: Date.now } }, 'clock'],
    [{ random: Math.random }, 'random'],
    [{ breakersMax: 0 }, 'breakersMax'],
    [{ breakers: { smtp: { quorum: 0 } } }, 'breakers.smtp.quorum'],
    [{ breakers: { default: { timeoutMs: 0 } } }, 'breakers.default.timeoutMs'],
    [{ breakers: [] }, 'breakers'],
    [{ breakers: { '': {} } }, 'breakers'],
    [{ breakers: { ['x'.repeat(129)]: {} } }, 'breakers'],
    [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts'],
    [{ deadlineMs: 0 }, 'deadlineMs'],
    [{ instanceName: 'a' }, 'instanceName'],
    [null, 'options'],
  ])('%j is refused with its place', (options, path) => {
    expect(() => createSwitchgear(options as SwitchgearOptions)).toThrow(
      expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }),
    )
  })

  test.each([
    ['a bad name of a breaker', memoryLog(), { breakers: { ['x'.repeat(129)]: {} } }],
    ['a bad option', memoryLog(), { deadlineMs: 0 }],
    ['a store of another fleet', memoryLog(), { deadLetters: { ...memoryDeadLetters(), fleet: 'other' } }],
    ['a log that takes nobody', refusing, {}],
  ])('with %s it has joined nothing, and no store waits for its end', async (_what, of, options) => {
    let [joined, closed] = [0, 0]
    const log: EventLog = {
      join(...given) {
        const membership = of.join(...given)
        joined += 1
        return membership
      },
    }
    const limiter = { ...memoryLimiter(), close: async () => void (closed += 1) }
    expect(() => createSwitchgear({ ...options, log, limiter })).toThrow()
    expect(joined).toBe(0)
    await createSwitchgear({ limiter }).close()
    expect(closed).toBe(1)
  })

  test('are all optional', async () => {
    const gear = createSwitchgear()
    expect(gear.fleet).toBe('default')
    expect(gear.instance).toMatch(/-\d+-/)
    await gear.ready()
    expect(gear.health()).toMatchObject({ link: 'linked', breakers: { total: 0, notClosed: 0 } })
    await gear.close()
  })

  test('instances that are named by nobody have different names', async () => {
    const log = memoryLog()
    const gears = [createSwitchgear({ log }), createSwitchgear({ log })]
    expect(new Set(gears.map(({ instance }) => instance)).size).toBe(2)
    await Promise.all(gears.map((gear) => gear.close()))
  })

  test('fleets that share a log do not hear each other', async () => {
    const log = memoryLog()
    const [one, other] = ['one', 'other'].map((fleet) => createSwitchgear({ fleet, log }))
    if (one === undefined || other === undefined) throw new Error('no instance')
    await Promise.all([one.ready(), other.ready()])
    await one.breaker('smtp').forceOpen({ by: 'ann', reason: 'x' })
    expect(other.breaker('smtp').state.mode).toBe('closed')
    await Promise.all([one.close(), other.close()])
  })
})

describe('an option of several kinds that is none of them', () => {
  const breaker = (smtp: object) => () => createSwitchgear({ breakers: { smtp } })
  const rate = (given: unknown) => breaker({ failureRate: { over: given, threshold: 1 } })
  const jitter = (given: unknown) => breaker({ recoveryBackoff: { jitter: given } })
  const limiter = memoryLimiter()

  test.each<[said: string, make: () => unknown]>([
    ['recoveryBackoff.jitter: expected none, full, equal, decorrelated or { ratio } (given: "big")', jitter('big')],
    ['recoveryBackoff.jitter: expected none, full, equal, decorrelated or { ratio } (given: an object)', jitter({})],
    ['recoveryBackoff.jitter.ratio: too big: expected number to be <=1 (given: 2)', jitter({ ratio: 2 })],
    ['failureRate.over: expected either { calls } or { ms } (given: 10)', rate(10)],
    ['failureRate.over: expected either { calls } or { ms } (given: an object)', rate({ calls: 1, ms: 20 })],
    ['failureRate.over.ms: too small: expected number to be >=20 (given: 5)', rate({ ms: 5 })],
    [
      'failureThreshold: expected a whole number of at least 1, or false (given: "5")',
      breaker({ failureThreshold: '5' }),
    ],
    ['redisLimiter.url: expected string or array (given: 5)', () => redis({ url: 5 })],
    ['redisLimiter.url.0: invalid input: expected string, received number (given: 5)', () => redis({ url: [5] })],
    ['natsLog.servers: expected string or array (given: 5)', () => nats({ servers: 5 })],
    ['natsLog.tls: expected boolean or object (given: "yes")', () => nats({ tls: 'yes' })],
    [
      'natsLog.tls.caFile: invalid input: expected string, received number (given: 5)',
      () => nats({ tls: { caFile: 5 } }),
    ],
    ['natsLog.tls.caFiles: is not a known option (given: "x")', () => nats({ tls: { caFiles: 'x' } })],
    [
      'limit.key: expected string or a function (given: 5)',
      () => limit({ limiter, names: 'email', key: 5 as never }, async () => 1),
    ],
    [
      'deliver.maxAgeMs: expected number or a function (given: "1 h")',
      () => deliver({ to: async () => 1, maxAgeMs: '1 h' as never }),
    ],
  ])('is refused with %s', (said, make) => {
    expect(make).toThrow(said)
  })
})

function redis(options: object): unknown {
  return redisLimiter(options)
}

function nats(options: object): unknown {
  return natsLog(options)
}
