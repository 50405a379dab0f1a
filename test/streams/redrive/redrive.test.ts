import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs'
import { describe, expect, test, vi } from 'vitest'
import { BreakerOpenError, ConfigError, OverCapacityError, UnavailableError } from '../../../src/kernel/errors.ts'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import type { Letter } from '../../../src/ports/dead-letters.ts'
import type { RedriveBreaker } from '../../../src/streams/redrive/redrive-options.ts'
import { behind } from '../../../src/testing/laws/dead-letters-subject.ts'
import { createSwitchgear } from '../../../src/switchgear.ts'
import { outcomes, redriveRig, watch } from './redrive-rig.ts'

const fails = async (): Promise<never> => {
  throw Object.assign(new Error('410 gone'), { status: 410, code: 'E410' })
}

describe('a redrive', () => {
  test('sends the letters that a filter finds, oldest first; what is delivered leaves the queue', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(3)
    await fill(1, { id: 'other', channel: 'slack' })
    const sent: Letter[] = []
    const redrive$ = queue.redrive(
      { organization: 'acme', channel: 'email' },
      { to: async (letter) => sent.push(letter) },
    )
    const events = await clock.runUntil(lastValueFrom(redrive$.pipe(toArray())))
    expect(sent.map(({ id, payload }) => [id, payload])).toEqual([0, 1, 2].map((index) => [`acme.${index}`, { index }]))
    expect(events.map((event) => [event.status, event.done, event.total])).toEqual([
      ['delivered', 1, 3],
      ['delivered', 2, 3],
      ['delivered', 3, 3],
    ])
    expect((await queue.list()).items.map(({ id }) => id)).toEqual(['acme.other'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('does nothing before it is subscribed to, and is a redrive of its own each time', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const redrive$ = queue.redrive({}, { to: async () => {} })
    await clock.settle()
    expect(await queue.redrives.list('acme')).toEqual([])
    await clock.runUntil(watch(redrive$).ended)
    await clock.runUntil(watch(redrive$).ended)
    expect(await queue.redrives.list('acme')).toMatchObject([{ state: 'done', done: 1, delivered: 1, total: 1 }])
  })

  test('leaves what failed, with its redrive counted, what was tried, and the new error; parks it in the end', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const redriveOnce = () =>
      clock.runUntil(lastValueFrom(queue.redrive(['acme.0'], { to: fails, maxRedrives: 2 }).pipe(toArray())))
    const [first] = await redriveOnce()
    expect(first).toMatchObject({
      letterId: 'acme.0',
      status: 'failed',
      error: { type: 'rejected' },
      done: 1,
      total: 1,
    })
    const letter = await queue.get('acme.0')
    expect(letter).toMatchObject({ redriveCount: 1, errorType: 'rejected', parked: false, version: 2, retryCount: 0 })
    expect(letter?.error).toMatchObject({ message: '410 gone', code: 'E410' })
    expect(letter?.attempts.map(({ error }) => error)).toEqual(['410 gone'])
    expect(await queue.count({ errorType: 'connection' })).toBe(0)
    expect(outcomes(await redriveOnce())).toEqual(['acme.0: parked'])
    expect(await queue.get('acme.0')).toMatchObject({ redriveCount: 2, parked: true })
    const byFilter = watch(queue.redrive({}, { to: fails }))
    await clock.runUntil(byFilter.ended)
    expect(byFilter.events).toEqual([])
    const parked = watch(queue.redrive({ parked: true }, { to: async () => {} }))
    await clock.runUntil(parked.ended)
    expect(outcomes(parked.events)).toEqual(['acme.0: delivered'])
  })

  test('retries as it is told within one redrive, which counts once', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    let calls = 0
    const to = async () => {
      calls += 1
      throw Object.assign(new Error(`no ${calls}`), { code: 'ECONNRESET' })
    }
    const { events, ended } = watch(queue.redrive({}, { to, retry: { maxAttempts: 3, baseDelayMs: 10 } }))
    await clock.runUntil(ended)
    expect(outcomes(events)).toEqual(['acme.0: failed'])
    const letter = await queue.get('acme.0')
    expect(letter?.redriveCount).toBe(1)
    expect(letter?.attempts.map(({ error }) => error)).toEqual(['no 1', 'no 2', 'no 3'])
  })

  test('keeps to the rate and to the number that it was given, the oldest first', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(60)
    const at: number[] = []
    const to = async () => void at.push(clock.monotonic())
    const startedAt = clock.monotonic()
    const { events, ended } = watch(queue.redrive({}, { to, ratePerSecond: 10, max: 50 }))
    await clock.runUntil(ended)
    expect(events.at(-1)).toMatchObject({ done: 50, total: 50 })
    expect(at.map((each) => Math.round(each - startedAt))).toEqual(
      Array.from({ length: 50 }, (_, index) => index * 100),
    )
    expect((await queue.list()).items.map(({ messageId }) => messageId)).toContain('m59')
    expect(await queue.count()).toBe(10)
  })

  test('waits for the next letter by timers that Node has, however low the rate', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(2)
    const sleep = vi.spyOn(clock, 'sleep')
    const { events, subscription } = watch(queue.redrive({}, { to: async () => {}, ratePerSecond: 1e-7 }))
    await clock.advanceBy(60_000)
    expect(outcomes(events)).toEqual(['acme.0: delivered'])
    expect(Math.max(...sleep.mock.calls.map(([ms]) => ms))).toBe(2 ** 31 - 1)
    subscription.unsubscribe()
  })

  test('has no more letters in its hands than it may, over all organizations, and adds up their progress', async () => {
    const { clock, queue, fill } = redriveRig()
    for (const organization of ['acme', 'beta', 'gamma']) await fill(4, { organization })
    let [current, most] = [0, 0]
    const at: number[] = []
    const to = async () => {
      at.push(clock.monotonic())
      most = Math.max(most, (current += 1))
      await clock.sleep(500)
      current -= 1
    }
    const { events, ended } = watch(queue.redrive({}, { to, concurrency: 4, ratePerSecond: 5, max: 10 }))
    await clock.runUntil(ended)
    expect(most).toBeLessThanOrEqual(4)
    expect(events.map(({ done, total }) => [done, total])).toEqual(Array.from({ length: 10 }, (_, n) => [n + 1, 10]))
    expect(new Set(events.map(({ jobId }) => jobId)).size).toBe(3)
    for (const [index, each] of at.entries()) if (index > 0) expect(each - (at[index - 1] ?? 0)).toBeGreaterThan(199.9)
  })

  test('does nothing for letters that are gone, and says so', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const { events, ended } = watch(queue.redrive(['acme.none', 'acme.0', 'acme.0'], { to: async () => {} }))
    await clock.runUntil(ended)
    expect(outcomes(events)).toEqual(['acme.none: skipped', 'acme.0: delivered'])
    expect(events.at(-1)).toMatchObject({ done: 2, total: 2 })
  })

  test('takes options that can be meant and no others', async () => {
    const { queue, clock } = redriveRig()
    const to = async () => {}
    for (const [path, run] of [
      ['redrive.to', () => queue.redrive({}, {} as never)],
      ['redrive.ratePerSecond', () => queue.redrive({}, { to, ratePerSecond: 0 })],
      ['redrive.max', () => queue.redrive({}, { to, max: 0.5 })],
      ['redrive.concurrency', () => queue.redrive({}, { to, concurrency: 0 })],
      ['redrive.retry.maxAttempts', () => queue.redrive({}, { to, retry: { maxAttempts: 0 } })],
      ['filter.chanel', () => queue.redrive({ chanel: 'x' } as object, { to })],
      ['ids.0', () => queue.redrive([1] as never, { to })],
      ['redrive.max', () => queue.redrives.work('acme.1', { to, max: 1 } as never)],
    ] as const) {
      expect(run, path).toThrow(ConfigError)
      expect(run, path).toThrow(path)
    }
    await expect(queue.redrives.start(['nobody'])).rejects.toThrow('ids.0')
    const none = watch(queue.redrives.work('acme.none', { to }))
    await expect(clock.runUntil(none.ended)).rejects.toThrow(ConfigError)
  })
})

describe('an open breaker', () => {
  test('pauses the redrive, which says so once, spends nothing, and goes on by itself', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(30)
    const gear = createSwitchgear({ clock })
    await clock.runUntil(gear.ready())
    const smtp = gear.breaker('smtp', { failureThreshold: 3, recoveryTimeoutMs: 60_000 })
    const startedAt = clock.monotonic()
    const isDown = () => clock.monotonic() < startedAt + 30_000
    let reachedWhileDown = 0
    const to = async () => {
      if (!isDown()) return
      reachedWhileDown += 1
      throw Object.assign(new Error('down'), { code: 'ECONNREFUSED' })
    }
    const { events, ended } = watch(queue.redrive({}, { to, through: () => smtp, concurrency: 3 }))
    await clock.runUntil(ended)
    const statuses = events.map(({ status }) => status)
    expect(reachedWhileDown).toBe(3)
    expect(statuses.filter((status) => status === 'paused')).toHaveLength(1)
    expect(events[3]).toMatchObject({ status: 'paused', done: 3, total: 30 })
    expect(statuses.filter((status) => status === 'delivered')).toHaveLength(27)
    expect((await queue.list()).items.map(({ redriveCount }) => redriveCount)).toEqual([1, 1, 1])
    await clock.runUntil(gear.close())
    expect(clock.pendingTimers).toBe(0)
  })

  test('holds up its own letters and no others; the redrive pauses when nothing else is left', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(250, { channel: 'down', id: undefined })
    await fill(5, { channel: 'up', id: undefined })
    await fill(5, { channel: 'down', id: undefined })
    await fill(5, { channel: 'up', id: undefined })
    const startedAt = clock.monotonic()
    const leftMs = (): number => startedAt + 120_000 - clock.monotonic()
    const down: RedriveBreaker = {
      refusedForMs: () => (leftMs() > 0 ? leftMs() : undefined),
      run: async (work) => work({ signal: new AbortController().signal }),
    }
    const up: RedriveBreaker = { run: down.run }
    const through = ({ channel }: Letter): RedriveBreaker => (channel === 'down' ? down : up)
    const { events, ended } = watch(queue.redrive({}, { to: async () => {}, through }))
    await clock.advanceBy(20_000)
    expect(outcomes(events)).toHaveLength(11)
    expect(events.at(-1)).toMatchObject({ status: 'paused', done: 10, total: 265, untilAt: clock.now() + leftMs() })
    expect(await queue.redrives.list('acme')).toMatchObject([{ state: 'paused' }])
    await clock.runUntil(ended)
    expect(clock.monotonic() - startedAt).toBeLessThan(160_000)
    expect(events.filter(({ status }) => status === 'delivered')).toHaveLength(265)
    expect(events.filter(({ status }) => status === 'paused')).toHaveLength(1)
  })

  test.each([
    { down: 100, ratePerSecond: 2, withinMs: 60_000 },
    { down: 3_500, ratePerSecond: undefined, withinMs: 40_000 },
  ])(
    'behind which $down letters stand does not keep the others for ever, at a rate of $ratePerSecond, and is told of',
    async ({ down, ratePerSecond, withinMs }) => {
      const { clock, queue, fill } = redriveRig()
      await fill(down, { channel: 'down', id: undefined })
      await fill(5, { channel: 'up', id: undefined })
      const open: RedriveBreaker = { refusedForMs: () => 600_000, run: () => expect.unreachable() }
      const closed: RedriveBreaker = { run: async (work) => work({ signal: new AbortController().signal }) }
      const through = ({ channel }: Letter): RedriveBreaker => (channel === 'down' ? open : closed)
      const { events, subscription } = watch(queue.redrive({}, { to: async () => {}, through, ratePerSecond }))
      await clock.advanceBy(withinMs)
      expect(outcomes(events).filter((outcome) => outcome.endsWith('delivered'))).toHaveLength(5)
      await clock.advanceBy(3 * withinMs)
      expect(events[5]).toMatchObject({ status: 'paused', done: 5, total: down + 5 })
      subscription.unsubscribe()
    },
  )

  test('that closes again has its letters sent within a round, while another one stays open', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(5, { channel: 'back', id: undefined })
    await fill(100, { channel: 'down', id: undefined })
    const startedAt = clock.monotonic()
    const isUp = (channel: string): boolean => channel === 'back' && clock.monotonic() > startedAt + 60_000
    const through = ({ channel }: Letter): RedriveBreaker => ({
      refusedForMs: () => (isUp(channel) ? undefined : 5_000),
      run: async (work) => work({ signal: new AbortController().signal }),
    })
    const { events, subscription } = watch(queue.redrive({}, { to: async () => {}, through, ratePerSecond: 2 }))
    await clock.advanceBy(60_000 + 60_000)
    expect(outcomes(events).filter((outcome) => outcome.endsWith('delivered'))).toHaveLength(5)
    subscription.unsubscribe()
  })

  test('of many organizations each holds up its own letters, and not the last of them, which has none', async () => {
    const { clock, queue, fill } = redriveRig()
    const organizations = Array.from({ length: 25 }, (_, nth) => `down${nth}`)
    for (const organization of [...organizations, 'healthy']) await fill(3, { organization })
    const caller = new AbortController()
    const through = ({ organization }: Letter): RedriveBreaker => ({
      refusedForMs: () => (organization === 'healthy' ? undefined : 600_000),
      run: async (work) => work({ signal: new AbortController().signal }),
    })
    const how = { to: async () => {}, through, concurrency: 10, signal: caller.signal }
    const { events, ended } = watch(queue.redrive({}, how))
    await clock.advanceBy(5_000)
    expect(getEventListeners(caller.signal, 'abort').length).toBeLessThanOrEqual(2)
    await clock.advanceBy(10_000)
    expect(events.filter(({ status }) => status === 'paused')).toHaveLength(25)
    expect(events.filter(({ status }) => status === 'delivered')).toHaveLength(3)
    caller.abort()
    await clock.runUntil(ended)
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0)
  })

  test('that an operator holds open is waited for, and the job goes on soon after the release', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(2)
    const gear = createSwitchgear({ clock })
    await clock.runUntil(gear.ready())
    const smtp = gear.breaker('smtp')
    await clock.runUntil(smtp.forceOpen({ by: 'ann', reason: 'migration' }))
    const { events, ended } = watch(queue.redrive({}, { to: async () => {}, through: smtp }))
    await clock.advanceBy(600_000)
    expect(events).toEqual([expect.objectContaining({ status: 'paused', untilAt: Infinity, done: 0, total: 2 })])
    const [job] = await queue.redrives.list('acme')
    expect(job).toMatchObject({ state: 'paused', done: 0 })
    await clock.runUntil(smtp.release({ by: 'ann', reason: 'done' }))
    const releasedAt = clock.monotonic()
    await clock.runUntil(ended)
    expect(clock.monotonic() - releasedAt).toBeLessThanOrEqual(31_000)
    expect(outcomes(events).slice(1)).toEqual(['acme.0: delivered', 'acme.1: delivered'])
    await clock.runUntil(gear.close())
  })

  test('for which there is no room at the moment is waited for, and spends nothing', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(2)
    const fullUntil = clock.monotonic() + 5_000
    const through = (): RedriveBreaker => {
      if (clock.monotonic() < fullUntil) throw new OverCapacityError('breakers', 'breakersMax', 1)
      return { run: async (work) => work({ signal: new AbortController().signal }) }
    }
    const { events, ended } = watch(queue.redrive({}, { to: async () => {}, through, concurrency: 1 }))
    await clock.runUntil(ended)
    const ofLetters = outcomes(events).filter((outcome) => outcome !== 'paused')
    expect(ofLetters).toEqual(['acme.0: delivered', 'acme.1: delivered'])
  })

  test('is not asked for all the time where the clock of the store is behind', async () => {
    let asked = 0
    const { clock, queue, fill } = redriveRig(({ jobs }) => {
      const take: typeof jobs.take = async (...given) => {
        asked += 1
        const taken = await jobs.take(...given)
        const until = taken?.job.pausedUntilAt
        if (taken === undefined || until === undefined) return taken
        return { ...taken, job: { ...taken.job, pausedUntilAt: until - 600_000 } }
      }
      return { jobs: { ...jobs, take } }
    })
    await fill(1)
    const isOpenUntil = clock.monotonic() + 20_000
    const through = {
      run: async () => {
        const retryAfterMs = isOpenUntil - clock.monotonic()
        if (retryAfterMs > 0)
          throw new BreakerOpenError({ breaker: 'smtp', mode: 'open', retryAfterMs, retryAt: 0, because: 'it is' })
        return undefined as never
      },
    }
    const { events, ended } = watch(queue.redrive({}, { to: async () => {}, through }))
    await clock.runUntil(ended)
    expect(outcomes(events)).toEqual(['paused', 'acme.0: delivered'])
    expect(asked).toBeLessThan(300)
  })

  test('that opens between two attempts ends the redrive with what the work said', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const gear = createSwitchgear({ clock })
    await clock.runUntil(gear.ready())
    const through = gear.breaker('smtp', { failureThreshold: 1 })
    const { events, ended } = watch(
      queue.redrive({}, { to: () => Promise.reject(new Error('odd')), through, retry: { maxAttempts: 3 } }),
    )
    await clock.runUntil(ended)
    expect(events).toMatchObject([{ status: 'failed', error: { message: 'odd' } }])
    expect((await queue.get('acme.0'))?.attempts).toHaveLength(1)
    await clock.runUntil(gear.close())
  })
})

test('what a limit refuses waits, and no redrive is spent', async () => {
  const { clock, queue, fill } = redriveRig()
  await fill(5)
  const limiter = memoryLimiter({ clock, limits: { email: { limit: 2, windowMs: 60_000 } } })
  const at: number[] = []
  const startedAt = clock.monotonic()
  const to = async () => void at.push(clock.monotonic() - startedAt)
  const limit = { limiter, names: ({ channel }: Letter) => channel }
  const { events, ended } = watch(queue.redrive({}, { to, limit }))
  await clock.runUntil(ended)
  expect(events.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'delivered'))
  expect(at.map((ms) => Math.floor(ms / 60_000))).toEqual([0, 0, 1, 1, 2])
  expect(clock.pendingTimers).toBe(0)
})

describe('a limit that refuses for long', () => {
  test('holds up the letters that it is for, and no others', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(300, { channel: 'rare', id: undefined })
    await fill(5, { channel: 'email', id: undefined })
    const limits = { rare: { limit: 2, windowMs: 3_600_000 }, email: { limit: 100, windowMs: 1_000 } }
    const limiter = memoryLimiter({ clock, limits })
    const startedAt = clock.monotonic()
    const at: [channel: string, minute: number][] = []
    const to = async ({ channel }: Letter) =>
      void at.push([channel, Math.floor((clock.monotonic() - startedAt) / 60_000)])
    const limit = { limiter, names: ({ channel }: Letter) => channel }
    const { events, subscription } = watch(queue.redrive({}, { to, limit }))
    await clock.advanceBy(3_650_000)
    const first = ['rare', 'rare', ...Array.from({ length: 5 }, () => 'email')].map((channel) => [channel, 0])
    expect(at).toEqual([...first, ['rare', 60], ['rare', 60]])
    expect(events.filter(({ status }) => status !== 'delivered')).toEqual([])
    subscription.unsubscribe()
  })

  test('has its letters sent when it is their time, though a shorter wait is over and a breaker is open', async () => {
    const { clock, queue, fill } = redriveRig()
    for (const channel of ['down', 'long', 'short']) await fill(1, { channel, id: channel })
    const limits = { long: { limit: 1, windowMs: 20_000 }, short: { limit: 1, windowMs: 2_000 } }
    const limiter = memoryLimiter({ clock, limits })
    for (const name of ['long', 'short']) await limiter.check('acme', name)
    const names = ({ channel }: Letter): string => channel
    const through = ({ channel }: Letter): RedriveBreaker => ({
      refusedForMs: () => (channel === 'down' ? 600_000 : undefined),
      run: async (work) => work({ signal: new AbortController().signal }),
    })
    const { events, subscription } = watch(
      queue.redrive({}, { to: async () => {}, through, limit: { limiter, names } }),
    )
    await clock.advanceBy(21_000)
    expect(outcomes(events)).toEqual(['acme.short: delivered', 'acme.long: delivered', 'paused'])
    subscription.unsubscribe()
  })

  test.each([1, 12])('holds up the %i organizations that are over it, and no others', async (over) => {
    const { clock, queue, fill } = redriveRig()
    const organizations = Array.from({ length: over }, (_, nth) => `busy${nth}`)
    for (const organization of [...organizations, 'idle']) await fill(3, { organization })
    const limiter = memoryLimiter({ clock, limits: { email: { limit: 3, windowMs: 3_600_000 } } })
    for (const organization of organizations)
      for (let nth = 0; nth < 3; nth += 1) await limiter.check(organization, 'email')
    const sent: string[] = []
    let checked = 0
    const counted = {
      ...limiter,
      check: (...given: Parameters<typeof limiter.check>) => {
        checked += 1
        return limiter.check(...given)
      },
    }
    const to = async ({ organization }: Letter) => void sent.push(organization)
    const { ended } = watch(queue.redrive({}, { to, limit: { limiter: counted, names: 'email' } }))
    await clock.advanceBy(10_000)
    expect(sent).toEqual(['idle', 'idle', 'idle'])
    expect(checked).toBeLessThan(100 * over)
    await clock.runUntil(ended)
    expect(sent).toHaveLength(3 * over + 3)
    expect(clock.pendingTimers).toBe(0)
  })
})

test.each(['a limit', 'a rate'])(
  'a letter that waits for %s is sent as it is then, if it still is to be',
  async (what) => {
    const { clock, queue, fill } = redriveRig()
    await fill(4)
    const limiter = memoryLimiter({ clock, limits: { email: { limit: 1, windowMs: 60_000 } } })
    const sent: unknown[] = []
    const to = async ({ payload }: Letter) => void sent.push(payload)
    const how = what === 'a limit' ? { limit: { limiter, names: 'email' } } : { ratePerSecond: 1 / 60 }
    const { events, ended } = watch(queue.redrive({}, { to, ...how }))
    await clock.advanceBy(10_000)
    expect(outcomes(events)).toEqual(['acme.0: delivered'])
    await queue.purge(['acme.1'])
    await queue.park(['acme.2'])
    await queue.edit('acme.3', { payload: 'corrected' })
    await clock.runUntil(ended)
    expect(sent).toEqual([{ index: 0 }, 'corrected'])
    expect(outcomes(events).toSorted()).toEqual([
      'acme.0: delivered',
      'acme.1: skipped',
      'acme.2: skipped',
      'acme.3: delivered',
    ])
  },
)

describe('a redrive that is called off', () => {
  test('by its signal completes; what was not sent is given back, and another worker goes on', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(6)
    const caller = new AbortController()
    const sent: string[] = []
    const to = async ({ id }: Letter, { signal }: { signal: AbortSignal }) => {
      await clock.sleep(1_000, { signal })
      sent.push(id)
    }
    const first = watch(queue.redrive({}, { to, concurrency: 2, signal: caller.signal }))
    await clock.advanceBy(1_500)
    caller.abort()
    await clock.settle()
    expect(first.state).toBe('completed')
    expect(outcomes(first.events)).toEqual(['acme.0: delivered', 'acme.1: delivered'])
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0)
    const [job] = await queue.redrives.list('acme')
    expect(job).toMatchObject({ state: 'running', done: 2, total: 6 })
    const second = watch(queue.redrives.work(job?.id ?? '', { to, concurrency: 4 }))
    await clock.advanceBy(1_000)
    expect(second.events).toHaveLength(4)
    await clock.runUntil(second.ended)
    expect(sent.toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `acme.${index}`))
    expect(await queue.redrives.get(job?.id ?? '')).toMatchObject({ state: 'done', delivered: 6, done: 6 })
    expect(await queue.count()).toBe(0)
  })

  test('by unsubscribing leaves no timer, and settles what is just being sent once that is known', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(2)
    const ends: (() => void)[] = []
    const to = () => new Promise<void>((resolve) => ends.push(resolve))
    const { subscription, events } = watch(queue.redrive({}, { to, concurrency: 1 }))
    await clock.settle()
    expect(ends).toHaveLength(1)
    subscription.unsubscribe()
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
    ends[0]?.()
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
    expect(events).toEqual([])
    expect((await queue.list()).items.map(({ id }) => id)).toEqual(['acme.1'])
    expect(await queue.redrives.list('acme')).toMatchObject([{ state: 'running', delivered: 1, done: 1, total: 2 }])
  })

  test('leaves what does not end to its lease: another worker has it then, and a late outcome counts no more', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const caller = new AbortController()
    let fail: (error: Error) => void = () => {}
    const hangs = () => new Promise<void>((_resolve, reject) => (fail = reject))
    const first = watch(queue.redrive({}, { to: hangs, signal: caller.signal }))
    await clock.settle()
    caller.abort()
    await clock.advanceBy(1_000)
    expect(first.state).toBe('completed')
    expect(clock.pendingTimers).toBe(0)
    const [job] = await queue.redrives.list('acme')
    const second = watch(queue.redrives.work(job?.id ?? '', { to: async () => {} }))
    await clock.advanceBy(5_000)
    expect(second.events).toEqual([])
    await clock.advanceBy(6_000)
    expect(outcomes(second.events)).toEqual(['acme.0: delivered'])
    fail(new Error('late'))
    await clock.settle()
    expect(await queue.count()).toBe(0)
    expect(await queue.redrives.get(job?.id ?? '')).toMatchObject({ state: 'done', done: 1, delivered: 1, failed: 0 })
  })

  test('before it was subscribed to does nothing', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(1)
    const { ended, events } = watch(queue.redrive({}, { to: fails, signal: AbortSignal.abort() }))
    await clock.runUntil(ended)
    expect(events).toEqual([])
    expect(await queue.redrives.list('acme')).toEqual([])
  })

  test('by cancelling its job: what is being sent is settled, the rest stays, and every worker completes', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(5)
    const to = () => clock.sleep(5_000)
    const [job] = await queue.redrives.start({})
    const workers = [1, 2].map(() => watch(queue.redrives.work(job?.id ?? '', { to, concurrency: 1 })))
    await clock.advanceBy(100)
    expect(await queue.redrives.cancel(job?.id ?? '')).toBe(true)
    expect(await queue.redrives.cancel(job?.id ?? '')).toBe(false)
    await clock.runUntil(Promise.all(workers.map(({ ended }) => ended)))
    expect(await queue.redrives.get(job?.id ?? '')).toMatchObject({
      state: 'cancelled',
      delivered: 2,
      done: 2,
      total: 5,
    })
    expect(await queue.count()).toBe(3)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('workers of one job', () => {
  test('share its letters and its rate', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(100)
    const at: number[] = []
    const sent: string[] = []
    const to = async ({ id }: Letter) => {
      at.push(clock.monotonic())
      sent.push(id)
    }
    const [job] = await queue.redrives.start({}, { ratePerSecond: 20 })
    const startedAt = clock.monotonic()
    const workers = [1, 2, 3].map(() => watch(queue.redrives.work(job?.id ?? '', { to })))
    await clock.runUntil(Promise.all(workers.map(({ ended }) => ended)))
    expect(new Set(sent).size).toBe(100)
    expect(sent).toHaveLength(100)
    for (const { events } of workers) expect(events.length).toBeGreaterThan(0)
    expect(Math.max(...at) - startedAt).toBeCloseTo(4_950, 0)
  })

  test('of two jobs with the same letters do each once', async () => {
    const { clock, queue, fill } = redriveRig()
    await fill(20)
    const sent: string[] = []
    const to = async ({ id }: Letter) => {
      await clock.sleep(10)
      sent.push(id)
    }
    const watched = [1, 2].map(() => watch(queue.redrive({}, { to })))
    await clock.runUntil(Promise.all(watched.map(({ ended }) => ended)))
    expect(sent.toSorted()).toEqual(Array.from({ length: 20 }, (_, index) => `acme.${index}`).toSorted())
    const jobs = await queue.redrives.list('acme')
    expect(jobs.map(({ done, total }) => [done, total])).toEqual([
      [20, 20],
      [20, 20],
    ])
    expect(jobs.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(20)
  })
})

describe('an outage of the store', () => {
  test('is waited for: no letter is lost or counted twice, and nothing is sent again', async () => {
    let away = false
    let answers = true
    const behave = async <T>(call: () => Promise<T>): Promise<T> => {
      if (away) throw new UnavailableError('Redis', 'gone')
      const answer = await call()
      if (!answers) throw new UnavailableError('Redis', 'gone before it answered')
      return answer
    }
    const { clock, queue, fill } = redriveRig((store) => ({
      get: (id) => behave(() => store.get(id)),
      page: (...given) => behave(() => store.page(...given)),
      jobs: {
        ...store.jobs,
        get: (id) => behave(() => store.jobs.get(id)),
        take: (...given) => behave(() => store.jobs.take(...given)),
        feed: (...given) => behave(() => store.jobs.feed(...given)),
        renew: (...given) => behave(() => store.jobs.renew(...given)),
        settle: (...given) => behave(() => store.jobs.settle(...given)),
        giveBack: (...given) => behave(() => store.jobs.giveBack(...given)),
      },
    }))
    await fill(40)
    const sent: string[] = []
    const to = async ({ id, messageId }: Letter) => {
      await clock.sleep(100)
      sent.push(id)
      if (messageId === 'm7') throw new Error('no')
    }
    const { events, ended } = watch(queue.redrive({}, { to, concurrency: 4 }))
    for (const [isAway, doesAnswer] of [
      [true, true],
      [false, true],
      [false, false],
      [false, true],
    ] as const) {
      await clock.advanceBy(250)
      away = isAway
      answers = doesAnswer
    }
    await clock.runUntil(ended)
    expect(sent).toHaveLength(40)
    expect(new Set(outcomes(events)).size).toBe(40)
    expect(await queue.redrives.list('acme')).toMatchObject([{ state: 'done', delivered: 39, failed: 1, done: 40 }])
    expect((await queue.list()).items).toMatchObject([{ id: 'acme.7', redriveCount: 1 }])
    expect(clock.pendingTimers).toBe(0)
  })

  test('what is no outage ends it, and gives back what it holds', async () => {
    const { clock, queue, fill } = redriveRig((store) => ({
      jobs: { ...store.jobs, settle: () => Promise.reject(new Error('a bug')) },
    }))
    await fill(3)
    const { ended } = watch(queue.redrive({}, { to: async () => {} }))
    await expect(clock.runUntil(ended)).rejects.toThrow('a bug')
    await clock.advanceBy(1_000)
    expect(clock.pendingTimers).toBe(0)
  })
})

test('a letter that was edited while it was being sent keeps the edit, and the redrive is counted', async () => {
  const { clock, queue, fill } = redriveRig()
  await fill(1)
  const to = async () => {
    await queue.edit('acme.0', { payload: 'corrected' })
    throw new Error('no')
  }
  const { events, ended } = watch(queue.redrive({}, { to }))
  await clock.runUntil(ended)
  expect(outcomes(events)).toEqual(['acme.0: failed'])
  expect(await queue.get('acme.0')).toMatchObject({ payload: 'corrected', redriveCount: 1, version: 3 })
})

test('a letter that was purged while it was being sent stays gone', async () => {
  const { clock, queue, fill } = redriveRig()
  await fill(1)
  const to = async () => {
    await queue.purge(['acme.0'])
    throw new Error('no')
  }
  const { events, ended } = watch(queue.redrive({}, { to }))
  await clock.runUntil(ended)
  expect(outcomes(events)).toEqual(['acme.0: failed'])
  expect(await queue.get('acme.0')).toBe(undefined)
})

test('an observer that takes the first event and leaves is no trouble', async () => {
  const { clock, queue, fill } = redriveRig()
  await fill(30)
  const first = await clock.runUntil(firstValueFrom(queue.redrive({}, { to: () => clock.sleep(1) }).pipe(take(1))))
  expect(first).toMatchObject({ status: 'delivered', done: 1, total: 30 })
  await clock.advanceBy(10)
  expect(clock.pendingTimers).toBe(0)
})

test('whenever it is unsubscribed from, no timer and no listener is left, and another worker finishes the job', async () => {
  const cases = fc.record({
    seed: fc.nat(),
    atMs: fc.nat({ max: 30_000 }),
    takesMs: fc.nat({ max: 5_000 }),
    ratePerSecond: fc.constantFrom(undefined, 1, 50),
    breakerOpens: fc.boolean(),
    isLimited: fc.boolean(),
    outage: fc.record({ fromMs: fc.nat({ max: 20_000 }), forMs: fc.nat({ max: 20_000 }) }),
    byAbort: fc.boolean(),
  })
  const property = fc.asyncProperty(cases, async (given) => {
    const { atMs, takesMs, ratePerSecond, breakerOpens, isLimited, outage, byAbort } = given
    let startedAt = 0
    const sinceMs = () => clock.monotonic() - startedAt - outage.fromMs
    const isAway = () => startedAt > 0 && sinceMs() >= 0 && sinceMs() < outage.forMs
    const { clock, queue, fill } = redriveRig((store) =>
      behind(store, (call) => (isAway() ? Promise.reject(new UnavailableError('store', 'away')) : call())),
    )
    await fill(8)
    const limiter = memoryLimiter({ clock, limits: { email: { limit: 3, windowMs: 5_000 } } })
    const refusal = { breaker: 'smtp', mode: 'open', retryAfterMs: 3_000, retryAt: 0, because: '' } as const
    let calls = 0
    const to = async (_letter: Letter, { signal }: { readonly signal: AbortSignal }) => {
      calls += 1
      if (breakerOpens && calls === 3) throw new BreakerOpenError(refusal)
      await clock.sleep(takesMs, { signal })
      if (calls % 5 === 0) throw new Error('again')
    }
    const caller = new AbortController()
    const limit = isLimited ? { limit: { limiter, names: 'email' } } : {}
    startedAt = clock.monotonic()
    const retry = { maxAttempts: 2, deadlineMs: 10_000 }
    const how = { to, retry, concurrency: 3, signal: caller.signal, ratePerSecond, ...limit }
    const { subscription } = watch(queue.redrive({}, how))
    await clock.advanceBy(atMs)
    if (byAbort) caller.abort()
    else subscription.unsubscribe()
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0)
    await clock.advanceBy(60_000)
    for (const { id, state } of await queue.redrives.list('acme'))
      if (state !== 'done') await clock.runUntil(watch(queue.redrives.work(id, { to: async () => {} })).ended)
    for (const job of await queue.redrives.list('acme')) expect([job.state, job.done]).toEqual(['done', job.total])
  })
  await fc.assert(property, { numRuns: 300 })
})
