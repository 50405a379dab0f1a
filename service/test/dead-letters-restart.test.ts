import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { sized } from '../../test/sized.ts'
import { type PostedAlert, postAlerts, settledAlerts } from './servers/client.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { lettersClient } from './servers/letters-client.ts'
import { startService } from './servers/service-process.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
const alerts: readonly PostedAlert[] = Array.from({ length: 60 }, (_, index) => ({
  organization: 'acme',
  id: `alert-${index}`,
}))
/** Letters of a redrive that one instance has in its hands. */
const lettersAtOnce = 8

const undo: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of undo.splice(0).toReversed()) await end()
})

async function slowEndpoint(): Promise<HttpEndpoint & { status: number; afterMs: number }> {
  const endpoint = await startHttpEndpoint(
    (_request, response) => void setTimeout(() => response.writeHead(answers.status).end(), answers.afterMs).unref(),
  )
  const answers = Object.assign(endpoint, { status: 400, afterMs: 30 })
  undo.push(() => endpoint.close())
  return answers
}

async function settingsFor(folder: string, letters: string, url: string): Promise<Record<string, string>> {
  const file = join(folder, 'switchgear.config.json')
  const receivers = [{ name: 'hook', channel: 'webhook', url, secret }]
  writeFileSync(file, JSON.stringify({ organizations: { acme: { receivers } } }))
  const settings = { SWITCHGEAR_CONFIG: file, WEBHOOK_ALLOW_PRIVATE: '1' }
  if (letters === 'on disk') return settings
  const redis = await startRedis()
  undo.push(() => redis.stop())
  return { ...settings, REDIS_URL: redis.url, FLEET: `restart-${process.pid}-${Date.now()}` }
}

/** Each end meets each store under `npm run proof`. */
const ends = { 'on disk': ['kill -9', 'SIGTERM'], 'in Redis': ['SIGTERM', 'kill -9'] } as const

describe.each(['on disk', 'in Redis'] as const)('a redrive of letters %s', { timeout: 120_000 }, (letters) => {
  it.each(ends[letters].slice(0, sized(1, 2)))(
    'goes on after %s and a start, and delivers each letter',
    async (end) => {
      const folder = mkdtempSync(join(tmpdir(), 'switchgear-redrive-'))
      undo.push(() => rmSync(folder, { recursive: true, force: true }))
      const endpoint = await slowEndpoint()
      const settings = await settingsFor(folder, letters, endpoint.url)
      const before = await startService(folder, settings)
      undo.push(() => before.kill())
      expect(await postAlerts(before.url, alerts)).toBe(202)
      const dead = await settledAlerts(before.url, alerts, 30_000)
      expect(dead.every(({ receivers }) => receivers.every(({ state }) => state === 'deadLettered'))).toBe(true)
      endpoint.status = 200
      const redriven = () => endpoint.requests.slice(alerts.length).map(({ headers }) => headers['webhook-id'])
      const id = await lettersClient(before.url).redrive({ filter: {}, ratePerSecond: 40 })
      await until('a part to be sent', () => (redriven().length >= 15 ? true : undefined))
      if (end === 'SIGTERM') expect(await before.terminate()).toBe(0)
      else await before.kill()
      const sentBefore = redriven().length
      expect(sentBefore).toBeLessThan(alerts.length)

      const startedAt = Date.now()
      const after = await startService(folder, settings)
      undo.push(() => after.kill())
      const client = lettersClient(after.url)
      const job = await until(
        'the redrive to be done',
        async () => {
          const seen = await client.redriveOf(id)
          return seen.state === 'done' ? seen : undefined
        },
        60_000,
      )
      process.stdout.write(
        `${letters}, ${end}: ${sentBefore} of 60 sent before, done ${Date.now() - startedAt} ms after the start, ` +
          `${redriven().length - 60} sent twice\n`,
      )
      expect(job).toMatchObject({ done: 60, total: 60, delivered: 60, failed: 0 })
      expect(await client.letters()).toEqual([])
      const seen = await settledAlerts(after.url, alerts, 10_000)
      expect(seen.every(({ receivers }) => receivers.every(({ state }) => state === 'delivered'))).toBe(true)
      expect(new Set(redriven()).size).toBe(60)
      // What was between its send and its record when the process died is sent once more, under the same id.
      expect(redriven().length - 60).toBeLessThanOrEqual(end === 'SIGTERM' ? 0 : lettersAtOnce)
      expect(await after.terminate()).toBe(0)
    },
  )

  it('finishes what is being sent when it is stopped, and does not send it again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-redrive-'))
    undo.push(() => rmSync(folder, { recursive: true, force: true }))
    const endpoint = await slowEndpoint()
    const settings = await settingsFor(folder, letters, endpoint.url)
    const before = await startService(folder, settings)
    undo.push(() => before.kill())
    const some = alerts.slice(0, 2)
    await postAlerts(before.url, some)
    await settledAlerts(before.url, some, 30_000)
    endpoint.status = 200
    endpoint.afterMs = 2_500
    const id = await lettersClient(before.url).redrive({ filter: {} })
    await until('both to be sent', () => (endpoint.requests.length === 4 ? true : undefined))
    expect(await before.terminate()).toBe(0)
    expect(before.logs.filter(({ level }) => level === 'error')).toEqual([])

    const after = await startService(folder, settings)
    undo.push(() => after.kill())
    const client = lettersClient(after.url)
    await until(
      'the redrive to be done',
      async () => ((await client.redriveOf(id)).state === 'done' ? true : undefined),
      60_000,
    )
    expect(endpoint.requests).toHaveLength(4)
    expect(await client.redriveOf(id)).toMatchObject({ delivered: 2, failed: 0 })
    expect(await client.letters()).toEqual([])
    const seen = await settledAlerts(after.url, some, 10_000)
    expect(seen.every(({ receivers }) => receivers.every(({ state }) => state === 'delivered'))).toBe(true)
    expect(await after.terminate()).toBe(0)
  })
})
