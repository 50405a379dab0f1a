import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { outcomeRecorder } from '../src/delivery/outcome-recorder.ts'
import { createShares } from '../src/delivery/shares.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { postAlerts, seeAlert, type SeenReceiver } from './servers/client.ts'
import { deadPort, type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { prepareData } from './store/prepare-data.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
const maxAgeMs = 2_000
const recoveryTimeoutMs = 2_000
const recoveryBackoff = { jitter: 'none' }

/** Answers by its path: each receiver has one of its own. */
const answers: Record<string, (times: number) => { status: number; retryAfter?: string }> = {
  '/soon': () => ({ status: 429, retryAfter: 'soon' }),
  '/negative': () => ({ status: 429, retryAfter: '-5' }),
  '/bare': (times) => ({ status: times < 3 ? 429 : 200 }),
  '/wait': (times) => (times < 2 ? { status: 429, retryAfter: '1' } : { status: 200 }),
  '/busy': (times) => (times < 2 ? { status: 503, retryAfter: '1' } : { status: 200 }),
  '/years': () => ({ status: 429, retryAfter: '99999999' }),
  '/broken': () => ({ status: 500 }),
  '/bad': () => ({ status: 400 }),
  '/moved': () => ({ status: 301 }),
  '/ill': (times) => ({ status: times < 2 ? 500 : 200 }),
}

describe('what becomes of a message', () => {
  let folder: string
  let endpoints: Record<string, HttpEndpoint>
  let service: Service
  let refusing: number
  const settings = () =>
    readSettings({
      SWITCHGEAR_CONFIG: join(folder, 'config.json'),
      DATA_DIR: folder,
      PORT: '0',
      LOG_LEVEL: 'silent',
      WEBHOOK_ALLOW_PRIVATE: '1',
    })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-delivery-'))
    endpoints = {}
    for (const [path, answer] of Object.entries(answers)) {
      const endpoint = await startHttpEndpoint((_request, response) => {
        const { status, retryAfter } = answer(endpoint.requests.length)
        response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end()
      })
      endpoints[path] = endpoint
    }
    refusing = await deadPort()
    configure({})
    await prepareData(folder)
    service = await serve(settings())
  })
  afterAll(async () => {
    await service.stop()
    for (const endpoint of Object.values(endpoints)) await endpoint.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function configure(over: object): void {
    const hook = (name: string, url: string) => ({
      receivers: [{ name: 'hook', channel: 'webhook', url, secret }],
      maxAgeMs: name === '/years' ? maxAgeMs : 3_600_000,
    })
    const organizations = Object.fromEntries(
      Object.entries(endpoints).map(([path, { url }]) => [path.slice(1), hook(path, `${url}${path}`)]),
    )
    organizations['refused'] = hook('', `http://127.0.0.1:${refusing}`)
    organizations['impatient'] = hook('/years', `http://127.0.0.1:${refusing}`)
    const engine = {
      breakers: {
        default: { failureThreshold: 5, timeoutMs: 5_000 },
        [`webhook:127.0.0.1:${endpoints['/ill']?.port}`]: { failureThreshold: 1, recoveryTimeoutMs, recoveryBackoff },
      },
      retry: { maxAttempts: 3, baseDelayMs: 10, maxDelayMs: 50 },
    }
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ organizations: { ...organizations, ...over }, engine }))
  }

  let counter = 0
  async function outcomeFor(organization: string, deadlineMs = 10_000): Promise<SeenReceiver> {
    const alert = { organization, id: `alert-${(counter += 1)}` }
    expect(await postAlerts(service.url, [alert])).toBe(202)
    return until(
      `the outcome for ${organization}`,
      async () => (await seeAlert(service.url, alert)).receivers.find(({ state }) => state !== 'pending'),
      deadlineMs,
    )
  }

  it.each(['soon', 'negative'])('a Retry-After that means nothing is none: %s', async (organization) => {
    expect(await outcomeFor(organization)).toMatchObject({
      state: 'deadLettered',
      reason: 'rate_limited',
      attempts: [{ error: expect.stringContaining('429') as string }, {}, {}],
    })
  })

  it('429 without Retry-After is tried again like others, and counts as an attempt', async () => {
    expect(await outcomeFor('bare')).toMatchObject({ state: 'delivered', attempts: [{}, {}, {}] })
  })

  it.each([
    ['wait', 429],
    ['busy', 503],
  ])('Retry-After is waited for: %s', async (organization, status) => {
    const { state, attempts } = await outcomeFor(organization)
    expect(state).toBe('delivered')
    expect(attempts).toHaveLength(2)
    expect(attempts[0]?.error).toContain(String(status))
    const [first, second] = endpoints[`/${organization}`]?.requests ?? []
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_000)
  })

  it('what waits longer than it may is dead-lettered as expired, and the wait ends with it', async () => {
    const [first, second] = await Promise.all([outcomeFor('years'), outcomeFor('years')])
    for (const outcome of [first, second]) expect(outcome).toMatchObject({ state: 'deadLettered', reason: 'expired' })
    const asked = endpoints['/years']?.requests.length ?? 0
    expect(asked).toBeLessThanOrEqual(2)
    // Nobody is held back for years: the next message is tried.
    await outcomeFor('years')
    expect(endpoints['/years']?.requests.length).toBeGreaterThan(asked)
  })

  it.each([
    ['bad', 'rejected', 1, '400'],
    ['moved', 'rejected', 1, '301'],
    ['broken', 'server_error', 3, '500'],
    ['refused', 'connection', 3, 'ECONNREFUSED'],
  ])('%s: dead-lettered as %s after %i attempts', async (organization, reason, attempts, text) => {
    const outcome = await outcomeFor(organization)
    expect(outcome).toMatchObject({ state: 'deadLettered', reason, lastError: expect.stringContaining(text) as string })
    expect(outcome.attempts).toHaveLength(attempts)
  })

  it('a destination that failed often enough is not called any more: its messages wait, and expire when that is too long', async () => {
    const waiting = { organization: 'refused', id: 'waiting' }
    expect(await postAlerts(service.url, [waiting])).toBe(202)
    const breaker = await until('its breaker to open', async () => {
      const { breakers } = (await (await fetch(`${service.url}/v1/breakers`)).json()) as {
        breakers: { name: string; mode: string }[]
      }
      return breakers.find(({ mode }) => mode === 'open')
    })
    expect(breaker.name).toBe(`webhook:127.0.0.1:${refusing}`)
    expect(await outcomeFor('impatient')).toMatchObject({ state: 'deadLettered', reason: 'expired', attempts: [] })
    const { receivers } = await seeAlert(service.url, waiting)
    expect(receivers).toMatchObject([{ state: 'pending', attempts: [{}, {}], lastError: expect.any(String) as string }])
  })

  it('a 4xx, a 429 and a redirect are no failures of their host', async () => {
    for (let times = 0; times < 6; times += 1) await outcomeFor('bad')
    const { breakers } = (await (await fetch(`${service.url}/v1/breakers`)).json()) as {
      breakers: { name: string; mode: string }[]
    }
    for (const path of ['/bad', '/soon', '/moved']) {
      const port = endpoints[path]?.port
      expect(breakers.find(({ name }) => name === `webhook:127.0.0.1:${port}`)?.mode).toBe('closed')
    }
  })

  it('a message waits for its destination over a restart, and spends no attempt by it', async () => {
    const alert = { organization: 'ill', id: 'waiting' }
    await postAlerts(service.url, [alert])
    const attemptsOf = async () => (await seeAlert(service.url, alert)).receivers.flatMap(({ attempts }) => attempts)
    await until('it to have failed', async () => (await attemptsOf()).length > 0 || undefined)
    await service.stop()
    service = await serve(settings())
    const receiver = await until('it to arrive', async () => {
      const { receivers } = await seeAlert(service.url, alert)
      return receivers.find(({ state }) => state === 'delivered')
    })
    expect(receiver.attempts).toMatchObject([{ error: expect.stringContaining('500') as string }, {}])
    const [first, second] = endpoints['/ill']?.requests ?? []
    // What the breaker knew is gone with the process; when to come again stands in the store.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(recoveryTimeoutMs - 100)
  })

  it('a message follows its receiver to a new address, and is dead-lettered when it has none any more', async () => {
    const old = endpoints['/wait']
    if (old === undefined) throw new Error('the endpoint is gone')
    old.answer = (_request, response) => response.writeHead(429, { 'retry-after': '2' }).end()
    const moving = { organization: 'wait', id: 'moving' }
    const removed = { organization: 'wait', id: 'removed' }
    const hook = { name: 'hook', channel: 'webhook', url: `${old.url}/wait`, secret }
    await service.stop()
    configure({ wait: { receivers: [hook, { ...hook, name: 'extra' }] } })
    service = await serve(settings())
    await postAlerts(service.url, [moving, removed])
    await until('the wait to begin', async () => {
      const { receivers } = await seeAlert(service.url, moving)
      return receivers.some(({ attempts }) => attempts.length > 0) ? true : undefined
    })
    await service.stop()
    const asked = old.requests.length
    const target = await startHttpEndpoint()
    configure({ wait: { receivers: [{ ...hook, url: target.url }] } })
    service = await serve(settings())
    for (const alert of [moving, removed]) {
      const { receivers } = await until(
        'both outcomes',
        async () => {
          const seen = await seeAlert(service.url, alert)
          return seen.receivers.every(({ state }) => state !== 'pending') ? seen : undefined
        },
        20_000,
      )
      expect(receivers).toMatchObject([{ state: 'delivered' }, { state: 'deadLettered', reason: 'invalid' }])
    }
    expect(old.requests).toHaveLength(asked)
    await target.close()
  })
})

describe('shares', () => {
  it('never give more than there is, and always leave room for another destination', () => {
    const step = fc.record({ destination: fc.nat(5), well: fc.boolean(), take: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const shares = createShares({ first: 4, max: 8 })
        const taken = new Map<string, number>()
        const left = () => 20 - [...taken.values()].reduce((sum, count) => sum + count, 0)
        for (const { destination: number, well, take } of steps) {
          const destination = String(number)
          const before = taken.get(destination) ?? 0
          if (take && shares.free(destination, left()) > 0) {
            shares.taken(destination)
            taken.set(destination, before + 1)
          } else if (!take && before > 0) {
            shares.returned(destination, well)
            taken.set(destination, before - 1)
          }
          expect(left()).toBeGreaterThanOrEqual(0)
          expect(taken.get(destination) ?? 0).toBeLessThanOrEqual(8)
          if (left() > 0) expect(shares.free('another', left())).toBeGreaterThan(0)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('shrink to one place for what fails, and grow back with what works', () => {
    const shares = createShares({ first: 8, max: 16 })
    const after = (well: boolean, times: number) => {
      for (let time = 0; time < times; time += 1) {
        shares.taken('host')
        shares.returned('host', well)
      }
      return shares.free('host', 100)
    }
    expect(shares.free('host', 100)).toBe(8)
    expect(after(false, 1)).toBe(4)
    expect(after(false, 10)).toBe(1)
    expect(after(true, 3)).toBe(4)
    expect(after(true, 100)).toBe(16)
  })
})

describe('the outcome recorder', () => {
  it('writes each outcome, also when the store is away for a while', async () => {
    let failures = 2
    const written: string[] = []
    const recorder = outcomeRecorder(
      {
        async record(records) {
          if ((failures -= 1) >= 0) throw new Error('away')
          written.push(...records.map(({ id }) => id))
        },
      },
      { info() {}, warn() {}, error() {} },
    )
    await Promise.all(
      ['a', 'b', 'c'].map((id) => recorder.record({ id, state: 'delivered', attempts: [], reached: [] })),
    )
    expect(written.toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('stops trying when it is told to', async () => {
    const logger = { info() {}, warn() {}, error() {} }
    const recorder = outcomeRecorder({ record: () => Promise.reject(new Error('away')) }, logger)
    const recording = recorder.record({ id: 'a', state: 'delivered', attempts: [], reached: [] })
    recorder.giveUp()
    await recording
  })
})
