import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Server } from '../../test/servers/server-process.ts'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { sized } from '../../test/sized.ts'
import { type PostedAlert, postAlerts, settledAlerts } from './servers/client.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { lettersClient, type SeenRedrive } from './servers/letters-client.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
const alertsFor = (what: string): readonly PostedAlert[] =>
  Array.from({ length: 60 }, (_, index) => ({ organization: 'acme', id: `${what.replaceAll(' ', '')}-${index}` }))
/** Letters of a redrive that one instance has in its hands. */
const lettersAtOnce = 8

interface SlowEndpoint extends HttpEndpoint {
  status: number
  afterMs: number
}

async function slowEndpoint(): Promise<SlowEndpoint> {
  const endpoint = await startHttpEndpoint(
    (_request, response) => void setTimeout(() => response.writeHead(answers.status).end(), answers.afterMs).unref(),
  )
  const answers = Object.assign(endpoint, { status: 400, afterMs: 30 })
  return answers
}

/** Each end meets each store under `npm run proof`. */
const ends = { 'on disk': ['kill -9', 'SIGTERM'], 'in Redis': ['SIGTERM', 'kill -9'] } as const

/** One service, which ends and is started again: each test finds it as the one before left it. */
describe.each(['on disk', 'in Redis'] as const)('a redrive of letters %s', (letters) => {
  let folder: string
  let redis: Server | undefined
  let endpoint: SlowEndpoint
  let service: ServiceProcess
  let settings: Record<string, string>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-redrive-'))
    endpoint = await slowEndpoint()
    redis = letters === 'in Redis' ? await startRedis() : undefined
    const file = join(folder, 'switchgear.config.json')
    const receivers = [{ name: 'hook', channel: 'webhook', url: endpoint.url, secret }]
    writeFileSync(file, JSON.stringify({ organizations: { acme: { receivers } } }))
    const shared = redis === undefined ? {} : { REDIS_URL: redis.url, FLEET: `restart-${process.pid}-${Date.now()}` }
    settings = { SWITCHGEAR_CONFIG: file, WEBHOOK_ALLOW_PRIVATE: '1', ...shared }
    service = await startService(folder, settings)
  })
  afterAll(async () => {
    expect(await service.terminate()).toBe(0)
    await endpoint.close()
    await redis?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Posts alerts to an endpoint that refuses them. From then on it takes what it gets, after this time. */
  async function deadLetter(alerts: readonly PostedAlert[], afterMs: number): Promise<void> {
    Object.assign(endpoint, { status: 400, afterMs: 30 })
    expect(await postAlerts(service.url, alerts)).toBe(202)
    const dead = await settledAlerts(service.url, alerts, 60_000)
    expect(dead.every(({ receivers }) => receivers.every(({ state }) => state === 'deadLettered'))).toBe(true)
    Object.assign(endpoint, { status: 200, afterMs })
  }

  async function redriven(id: string): Promise<SeenRedrive> {
    return until(
      'the redrive to be done',
      async () => {
        const seen = await lettersClient(service.url).redriveOf(id)
        return seen.state === 'done' ? seen : undefined
      },
      60_000,
    )
  }

  async function expectDelivered(alerts: readonly PostedAlert[]): Promise<void> {
    expect(await lettersClient(service.url).letters()).toEqual([])
    const seen = await settledAlerts(service.url, alerts, 60_000)
    expect(seen.every(({ receivers }) => receivers.every(({ state }) => state === 'delivered'))).toBe(true)
  }

  it.each(ends[letters].slice(0, sized(1, 2)))(
    'goes on after %s and a start, and delivers each letter',
    async (end) => {
      const alerts = alertsFor(end)
      await deadLetter(alerts, 30)
      const before = endpoint.requests.length
      const sent = () => endpoint.requests.slice(before).map(({ headers }) => headers['webhook-id'])
      const id = await lettersClient(service.url).redrive({ filter: {}, ratePerSecond: 40 })
      await until('a part to be sent', () => (sent().length >= 15 ? true : undefined))
      if (end === 'SIGTERM') expect(await service.terminate()).toBe(0)
      else await service.kill()
      const sentBefore = sent().length
      expect(sentBefore).toBeLessThan(alerts.length)

      const startedAt = Date.now()
      service = await startService(folder, settings)
      const job = await redriven(id)
      process.stdout.write(
        `${letters}, ${end}: ${sentBefore} of 60 sent before, done ${Date.now() - startedAt} ms after the start, ` +
          `${sent().length - 60} sent twice\n`,
      )
      expect(job).toMatchObject({ done: 60, total: 60, delivered: 60, failed: 0 })
      await expectDelivered(alerts)
      expect(new Set(sent()).size).toBe(60)
      // What was between its send and its record when the process died is sent once more, under the same id.
      expect(sent().length - 60).toBeLessThanOrEqual(end === 'SIGTERM' ? 0 : lettersAtOnce)
    },
  )

  it('finishes what is being sent when it is stopped, and does not send it again', async () => {
    const some = alertsFor('finished').slice(0, 2)
    await deadLetter(some, 2_500)
    const before = endpoint.requests.length
    const id = await lettersClient(service.url).redrive({ filter: {} })
    await until('both to be sent', () => (endpoint.requests.length === before + 2 ? true : undefined))
    const saidBefore = service.logs.length
    expect(await service.terminate()).toBe(0)
    const errors = service.logs.slice(saidBefore).filter(({ level }) => level === 'error')
    // A Redis that is late on a busy machine is not what this is about.
    expect(errors.filter((line) => !JSON.stringify(line).includes('Socket timeout'))).toEqual([])

    service = await startService(folder, settings)
    expect(await redriven(id)).toMatchObject({ delivered: 2, failed: 0 })
    expect(endpoint.requests).toHaveLength(before + 2)
    await expectDelivered(some)
  })
})
