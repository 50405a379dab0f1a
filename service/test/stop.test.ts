import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diskDeadLetters } from 'switchgear'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { drainDeadlineMs } from '../src/delivery/deliver-messages.ts'
import { type PostedAlert, postAlerts, seeAlert, settledAlerts } from './servers/client.ts'
import { deadPort, type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { runService, type ServiceProcess, startService } from './servers/service-process.ts'
import { prepareData } from './store/prepare-data.ts'

const plenty = { limit: 1_000_000, windowMs: 60_000 }
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-stop-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function slowEndpoint(answerMs: number): Promise<HttpEndpoint> {
  return startHttpEndpoint((_request, response) => void setTimeout(() => response.end('ok'), answerMs).unref())
}

const alertsOf = (organization: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ organization, id: `${organization}-${index}` }))

/** One service, which is stopped and started again: each test finds it as the one before left it. */
describe('SIGTERM', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-sigterm-'))
  const file = join(folder, 'switchgear.config.json')
  const settings = { SWITCHGEAR_CONFIG: file, WEBHOOK_ALLOW_PRIVATE: '1' }
  const alerts = alertsOf('slow', 100)
  const [waiting, hanging] = [...alertsOf('refused', 1), ...alertsOf('hanging', 1)] as [PostedAlert, PostedAlert]
  let slow: HttpEndpoint
  let silent: HttpEndpoint
  let service: ServiceProcess

  beforeAll(async () => {
    slow = await slowEndpoint(200)
    silent = await slowEndpoint(600_000)
    const urls = { slow: slow.url, refused: `http://127.0.0.1:${await deadPort()}`, hanging: silent.url }
    const organizations = Object.entries(urls).map(([name, url]) => {
      const receivers = [{ name: 'hook', channel: 'webhook', url, secret }]
      return [name, { receivers, limits: { alerts: plenty, webhook: plenty } }] as const
    })
    const engine = {
      retry: { baseDelayMs: 60_000, maxDelayMs: 60_000 },
      breakers: { default: { timeoutMs: 120_000 } },
    }
    writeFileSync(file, JSON.stringify({ organizations: Object.fromEntries(organizations), engine }))
    service = await startService(folder, settings)
  })
  afterAll(async () => {
    await service.kill()
    await Promise.all([slow.close(), silent.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  it('finishes what is being sent, hands back the rest, and does not wait for what waits for its next attempt', async () => {
    await postAlerts(service.url, [waiting])
    // Its first attempt is over at once; the next one is a minute away.
    await until('the breaker to have counted it', async () => {
      const { breakers } = (await (await fetch(`${service.url}/v1/breakers`)).json()) as {
        breakers: { counts?: { failures: number } }[]
      }
      return breakers.some(({ counts }) => (counts?.failures ?? 0) > 0) || undefined
    })
    expect(await postAlerts(service.url, alerts)).toBe(202)
    await until('some to be sent', () => slow.requests.length >= 10 || undefined)
    const startedAt = Date.now()
    expect(await service.terminate()).toBe(0)
    const tookMs = Date.now() - startedAt
    process.stdout.write(`SIGTERM: ${slow.requests.length} of 100 sent, ended by itself in ${tookMs} ms\n`)
    expect(slow.requests.length).toBeLessThan(100)
    // Less than is waited for what is being sent, and much less than a minute.
    expect(tookMs).toBeLessThan(drainDeadlineMs)
    expect(service.logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('has lost and repeated nothing when the service is started again', async () => {
    service = await startService(folder, settings)
    const { receivers } = await seeAlert(service.url, waiting)
    expect(receivers).toMatchObject([{ state: 'pending' }])
    expect(receivers[0]?.attempts.length).toBeGreaterThan(0)
    expect(receivers[0]?.attempts[0]?.error).toContain('ECONNREFUSED')
    const seen = await settledAlerts(service.url, alerts, 60_000)
    expect(seen.every((alert) => alert.receivers.every(({ state }) => state === 'delivered'))).toBe(true)
    const ids = slow.requests.map(({ headers }) => headers['webhook-id'])
    expect(ids).toHaveLength(100)
    expect(new Set(ids).size).toBe(100)
  })

  it('hands back, when its deadline is over, what hangs', async () => {
    await postAlerts(service.url, [hanging])
    await until('it to be sent', () => silent.requests.length > 0 || undefined)
    expect(await service.terminate()).toBe(0)
    service = await startService(folder, settings)
    await until('it to be sent again, under the same id', () => silent.requests.length > 1 || undefined)
    expect(new Set(silent.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })
})

it('ends an idle service at once, which lets nobody else have its folder', async () => {
  const folder = makeFolder()
  const service = await startService(folder, {})
  await until('it to say what to try', () => service.output().includes('curl') || undefined)
  const { code, output } = await runService(folder, ['serve'])
  expect(output).toContain(`DATA_DIR: ${folder} is in use by process ${service.pid}`)
  expect(code).toBe(1)
  const startedAt = Date.now()
  expect(await service.terminate()).toBe(0)
  expect(Date.now() - startedAt).toBeLessThan(drainDeadlineMs)
})

describe('a service that cannot start', () => {
  it.each<[string, Record<string, string>, string]>([
    ['a port that is none', { PORT: 'http' }, 'PORT: expected a port'],
    ['a configuration that is not there', { SWITCHGEAR_CONFIG: 'nowhere.json' }, 'SWITCHGEAR_CONFIG: '],
    ['a host that is not this machine', { HOST: '192.0.2.1' }, 'HOST: 192.0.2.1'],
  ])('says so and ends with 1: %s', async (_what, settings, expected) => {
    const { code, output } = await runService(makeFolder(), ['serve'], settings)
    expect(output).toContain(expected)
    expect(output).not.toMatch(/^ {4}at /m)
    expect(code).toBe(1)
  })

  it('names the path of an unknown key in its configuration', async () => {
    const folder = makeFolder()
    writeFileSync(join(folder, 'switchgear.config.json'), '{"organizations":{"acme":{"receivers":[],"recievers":[]}}}')
    const { code, output } = await runService(folder, ['serve'])
    expect(output).toContain('organizations.acme.recievers: is not a known key')
    expect(output).toContain('switchgear.config.json')
    expect(code).toBe(1)
  })

  it('does not share letters on disk with another process, and says what to do', async () => {
    const folder = makeFolder()
    await prepareData(folder)
    const letters = diskDeadLetters({ directory: join(folder, 'dead-letters') })
    await letters.count()
    const { code, output } = await runService(folder, ['serve'])
    await letters.close?.()
    expect(output).toContain(`DATA_DIR: ${folder} has the dead letters of another process; give each process`)
    expect(code).toBe(1)
  })
})
