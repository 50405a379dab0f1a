import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { memoryLog, createSwitchgear, type BreakerState, type Transition } from 'switchgear'
import { seededRandom, virtualClock } from 'switchgear/testing'
import { describe, expect, test } from 'vitest'
import { allOf, fleetOf, nth, oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

const options = { failureThreshold: 2, recoveryBackoff: { jitter: 'none' } } as const

describe('transitions$', () => {
  test('tells a whole outage: who, when, why, on what counts, in which term, at which place in the log', async () => {
    const { clock, gears, seen } = await fleetOf(2)
    const startedAt = clock.now()
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'S F*2 +60100')
    await play(b, clock, 'F +120100')
    await play(a, clock, 'S')
    const probed = { calls: 1, failures: 0, slow: 0, consecutiveFailures: 0 }
    const fleets = [
      {
        from: 'closed',
        to: 'open',
        by: 'a',
        reason: 'failureThreshold',
        counts: { calls: 3, failures: 2, slow: 0, consecutiveFailures: 2 },
        term: 1,
      },
      { from: 'open', to: 'halfOpen', by: 'b', reason: 'the recovery time is over', term: 1 },
      {
        from: 'halfOpen',
        to: 'open',
        by: 'b',
        reason: 'the probe failed',
        counts: { ...probed, failures: 1 },
        term: 2,
      },
      { from: 'open', to: 'halfOpen', by: 'a', reason: 'the recovery time is over', term: 2 },
      { from: 'halfOpen', to: 'closed', by: 'a', reason: 'the probe passed', counts: probed, term: 2 },
    ].map((of, at) => ({ ...of, breaker: 'smtp', scope: 'fleet', seq: at + 1 }))
    expect(nth(seen, 1)).toMatchObject(fleets)
    expect(nth(seen, 0)).toMatchObject([
      { from: 'closed', to: 'open', scope: 'local', by: 'a', at: startedAt, term: 0, seq: 0 },
      ...fleets,
    ])
    const times = nth(seen, 1).map(({ at }) => Math.round((at - startedAt) / 1_000))
    expect(times).toEqual([0, 60, 60, 180, 180])
  })

  test('completes when the instance closes', async () => {
    const { gear } = await oneInstance()
    let completed = false
    gear.transitions$.subscribe({ complete: () => (completed = true) })
    await gear.close()
    expect(completed).toBe(true)
  })
})

describe('state$', () => {
  test('gives the current state first, then each that follows, and completes at close', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +100')
    const states: BreakerState[] = []
    let completed = false
    smtp.state$.subscribe({ next: (state) => states.push(state), complete: () => (completed = true) })
    expect(states.map(({ mode }) => mode)).toEqual(['open'])
    await play(smtp, clock, '+60000 S')
    expect(states.map(({ mode }) => mode)).toEqual(['open', 'halfOpen', 'closed'])
    await gear.close()
    expect(completed).toBe(true)
    const late: string[] = []
    smtp.state$.subscribe({ next: ({ mode }) => late.push(mode), complete: () => late.push('complete') })
    expect(late).toEqual(['closed', 'complete'])
  })

  test('is quiet about other breakers', async () => {
    const { clock, gear } = await oneInstance()
    const modes: string[] = []
    gear.breaker('smtp', options).state$.subscribe(({ mode }) => modes.push(mode))
    await play(gear.breaker('slack', options), clock, 'F*2 +100')
    expect(modes).toEqual(['closed'])
  })
})

test('an instance that has asked for no breaker knows where the fleet stands on each, and hears of every change', async () => {
  const { clock, gears, seen } = await fleetOf(2)
  const observer = nth(gears, 1)
  await play(nth(gears, 0).breaker('smtp', options), clock, 'F*2 +100')
  expect(observer.breakers.size).toBe(0)
  expect(observer.states().get('smtp')).toMatchObject({ mode: 'open', scope: 'fleet', by: 'a' })
  expect(nth(seen, 1)).toMatchObject([{ breaker: 'smtp', from: 'closed', to: 'open', scope: 'fleet', by: 'a' }])
  nth(gears, 0).breaker('slack')
  expect([...nth(gears, 0).states().keys()].toSorted()).toEqual(['slack', 'smtp'])
})

describe('the state', () => {
  test('of a breaker that was never used is closed since ever, by nobody', async () => {
    const { gear } = await oneInstance()
    expect(gear.breaker('smtp').state).toEqual({
      mode: 'closed',
      scope: 'fleet',
      term: 0,
      sinceAt: 0,
      by: '',
      reason: '',
      counts: { calls: 0, failures: 0, slow: 0, consecutiveFailures: 0 },
      failedRecoveries: 0,
    })
  })

  test('says why, since when, by whom and until when it is open', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +100')
    expect(smtp.state).toMatchObject({ mode: 'open', by: 'a', reason: 'failureThreshold', term: 1, scope: 'fleet' })
    expect(Math.abs((smtp.state.retryAt ?? 0) - smtp.state.sinceAt - 60_000)).toBeLessThanOrEqual(1)
  })
})

describe('history', () => {
  test('has everything newest first, with what was not accepted and why', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*2 +60100 F +120100 S')
    const entries = await allOf(b.history())
    expect(entries.map(({ seq, accepted, event }) => [seq, accepted, event.fact?.type, event.by])).toEqual([
      [5, true, 'closed', 'a'],
      [4, true, 'probeClaimed', 'a'],
      [3, true, 'reopened', 'a'],
      [2, true, 'probeClaimed', 'a'],
      [1, true, 'opened', 'a'],
    ])
    expect(nth(entries, 4)).toMatchObject({
      event: {
        breaker: 'smtp',
        fleet: 'default',
        from: 'closed',
        to: 'open',
        term: 1,
        reason: 'failureThreshold',
        counts: { calls: 2, failures: 2, slow: 0, consecutiveFailures: 2 },
        type: 'io.switchgear.breaker.opened.v1',
        before: { mode: 'closed', term: 0 },
      },
    })
    expect((await allOf(b.history({ limit: 2 }))).map(({ seq }) => seq)).toEqual([5, 4])
    await expect(allOf(b.history({ limit: 0 }))).rejects.toMatchObject({ path: 'history.limit' })
  })

  test('shows a lost race, a late message and nothing of one that cannot be read', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const log = memoryLog({ clock, random: seededRandom(1) })
    const gear = createSwitchgear({ clock, random: seededRandom(1), log })
    await clock.settle()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +100')
    const member = log.join(
      { fleet: 'default', instance: 'stranger', logger: { info() {}, warn() {}, error() {} } },
      { onLink() {}, onPreview() {}, onMessage() {} },
    )
    const [opened] = await member.read('smtp')
    if (opened === undefined) throw new Error('nothing was stored')
    await member.append({ topic: 'smtp', id: 'garbage', expected: 1, data: new Uint8Array([1, 2, 3]) })
    await clock.advanceBy(20_000)
    const again = new TextEncoder().encode(new TextDecoder().decode(opened.data).replaceAll(opened.id, 'a-copy'))
    await member.append({ topic: 'smtp', id: 'a-copy', expected: 2, data: again })
    await clock.settle()
    expect((await allOf(smtp.history())).map(({ seq, accepted, why }) => [seq, accepted, why])).toEqual([
      [3, false, 'late'],
      [1, true, undefined],
    ])
    expect(gear.health().log).toMatchObject({ accepted: 1, ignored: 2, undecodable: 1, divergences: 0 })
    expect(smtp.state).toMatchObject({ mode: 'open', term: 1 })
    await gear.close()
  })
})

test('instances that have read the same log say so alike, and hear what the others tell', async () => {
  const { clock, gears } = await fleetOf(2)
  const [a, b] = gears
  if (a === undefined || b === undefined) throw new Error('no instance')
  const heard: string[] = []
  const stop = b.peers.listen('greeting', (data) => void heard.push(new TextDecoder().decode(data)))
  expect(a.health().log).toMatchObject({ seq: 0, digest: '00000000' })
  await play(a.breaker('smtp', options), clock, 'F*2 +100')
  a.peers.broadcast('greeting', new TextEncoder().encode('hello'))
  await clock.settle()
  const { seq, digest } = a.health().log
  expect(seq).toBe(1)
  expect(digest).not.toBe('00000000')
  expect(b.health().log).toMatchObject({ seq, digest })
  expect(heard).toEqual(['hello'])
  stop()
})

test('diagnostics_channel carries the transitions', async () => {
  const heard: Transition[] = []
  const listen = (message: unknown) => void heard.push(message as Transition)
  subscribe('switchgear:transition', listen)
  const { clock, gear, seen } = await oneInstance()
  await play(gear.breaker('smtp', options), clock, 'F*2 +100')
  unsubscribe('switchgear:transition', listen)
  expect(heard).toHaveLength(2)
  expect(heard).toEqual(seen)
})

describe('a logger', () => {
  test('that throws changes nothing', async () => {
    const broken = () => {
      throw new Error('the disk is full')
    }
    const { clock, gear } = await oneInstance({ logger: { info: broken, warn: broken, error: broken } })
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +60100 S')
    expect(smtp.state.mode).toBe('closed')
  })

  test('is told of every transition, with its facts', async () => {
    const told: string[] = []
    const note = (level: string) => (facts: object, message: string) =>
      void (Reflect.has(facts, 'scope') && told.push(`${level}: ${message}`))
    const { clock, gear } = await oneInstance({
      logger: { info: note('info'), warn: note('warn'), error: note('error') },
    })
    await play(gear.breaker('smtp', options), clock, 'F*2 +60100 S')
    expect(told).toEqual([
      'warn: breaker "smtp" went from closed to open (local)',
      'warn: breaker "smtp" went from closed to open (fleet)',
      'info: breaker "smtp" went from open to halfOpen (fleet)',
      'info: breaker "smtp" went from halfOpen to closed (fleet)',
    ])
  })
})
