import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diskDeadLetters } from 'switchgear'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { drainDeadlineMs } from '../src/delivery/deliver-messages.ts'
import { postAlerts, seeAlert, settledAlerts } from './servers/client.ts'
import { deadPort, type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { runService, startService } from './servers/service-process.ts'

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

function configured(
  urls: readonly string[],
  engine: object = {},
): { folder: string; settings: Record<string, string> } {
  const folder = makeFolder()
  const receivers = urls.map((url, index) => ({ name: `hook-${index}`, channel: 'webhook', url, secret }))
  const file = join(folder, 'switchgear.config.json')
  writeFileSync(
    file,
    JSON.stringify({ organizations: { acme: { receivers, limits: { alerts: plenty, webhook: plenty } } }, engine }),
  )
  return { folder, settings: { SWITCHGEAR_CONFIG: file, WEBHOOK_ALLOW_PRIVATE: '1' } }
}

async function slowEndpoint(answerMs: number): Promise<HttpEndpoint> {
  const endpoint = await startHttpEndpoint(
    (_request, response) => void setTimeout(() => response.end('ok'), answerMs).unref(),
  )
  ends.push(() => endpoint.close())
  return endpoint
}

const alertsNamed = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ organization: 'acme', id: `${prefix}-${index}` }))

describe('SIGTERM', { timeout: 120_000 }, () => {
  it('finishes what is being sent, hands back the rest, and loses and repeats nothing', async () => {
    const endpoint = await slowEndpoint(200)
    const { folder, settings } = configured([endpoint.url])
    const service = await startService(folder, settings)
    const alerts = alertsNamed('a', 100)
    expect(await postAlerts(service.url, alerts)).toBe(202)
    await until('some to be sent', () => (endpoint.requests.length >= 10 ? true : undefined))
    const startedAt = Date.now()
    expect(await service.terminate()).toBe(0)
    process.stdout.write(
      `SIGTERM: ${endpoint.requests.length} of 100 sent, ended by itself in ${Date.now() - startedAt} ms\n`,
    )
    expect(endpoint.requests.length).toBeLessThan(100)
    expect(service.logs.filter(({ level }) => level === 'error')).toEqual([])

    const next = await startService(folder, settings)
    const seen = await settledAlerts(next.url, alerts, 30_000)
    expect(seen.every(({ receivers }) => receivers.every(({ state }) => state === 'delivered'))).toBe(true)
    const ids = endpoint.requests.map(({ headers }) => headers['webhook-id'])
    expect(ids).toHaveLength(100)
    expect(new Set(ids).size).toBe(100)
    expect(await next.terminate()).toBe(0)
  })

  it('does not wait for messages that wait for their next attempt', async () => {
    const { folder, settings } = configured([`http://127.0.0.1:${await deadPort()}`], {
      retry: { baseDelayMs: 60_000, maxDelayMs: 60_000 },
    })
    const service = await startService(folder, settings)
    const [alert] = alertsNamed('waiting', 1) as [{ organization: string; id: string }]
    await postAlerts(service.url, [alert])
    // Its first attempt is over at once; the next one is a minute away.
    await until(
      'the breaker to have counted it',
      async () => {
        const { breakers } = (await (await fetch(`${service.url}/v1/breakers`)).json()) as {
          breakers: { counts?: { failures: number } }[]
        }
        return breakers.some(({ counts }) => (counts?.failures ?? 0) > 0) ? true : undefined
      },
      30_000,
    )
    const startedAt = Date.now()
    expect(await service.terminate()).toBe(0)
    // Less than is waited for what is being sent, and much less than a minute.
    expect(Date.now() - startedAt).toBeLessThan(drainDeadlineMs)
    const next = await startService(folder, settings)
    const { receivers } = await seeAlert(next.url, alert)
    expect(receivers).toMatchObject([{ state: 'pending' }])
    expect(receivers[0]?.attempts.length).toBeGreaterThan(0)
    expect(receivers[0]?.attempts[0]?.error).toContain('ECONNREFUSED')
    expect(await next.terminate()).toBe(0)
  })

  it('hands back, when its deadline is over, what hangs', async () => {
    const endpoint = await slowEndpoint(600_000)
    const { folder, settings } = configured([endpoint.url], { breakers: { default: { timeoutMs: 120_000 } } })
    const service = await startService(folder, settings)
    const [alert] = alertsNamed('hanging', 1) as [{ organization: string; id: string }]
    await postAlerts(service.url, [alert])
    await until('it to be sent', () => (endpoint.requests.length > 0 ? true : undefined))
    expect(await service.terminate()).toBe(0)
    const next = await startService(folder, settings)
    await until('it to be sent again, under the same id', () => (endpoint.requests.length > 1 ? true : undefined))
    expect(new Set(endpoint.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    await next.kill()
  })

  it('ends an idle service at once', async () => {
    const service = await startService(makeFolder(), {})
    await until('it to say what to try', () => (service.output().includes('curl') ? true : undefined))
    const startedAt = Date.now()
    expect(await service.terminate()).toBe(0)
    expect(Date.now() - startedAt).toBeLessThan(drainDeadlineMs)
  })
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
    const letters = diskDeadLetters({ directory: join(folder, 'dead-letters') })
    await letters.count()
    const { code, output } = await runService(folder, ['serve'])
    await letters.close?.()
    expect(output).toContain(`DATA_DIR: ${folder} has the dead letters of another process; give each process`)
    expect(code).toBe(1)
  })

  it('does not touch a folder that another one has', async () => {
    const folder = makeFolder()
    const service = await startService(folder, {})
    const { code, output } = await runService(folder, ['serve'])
    expect(output).toContain(`DATA_DIR: ${folder} is in use by process ${service.pid}`)
    expect(code).toBe(1)
    expect(await service.terminate()).toBe(0)
  })
})
