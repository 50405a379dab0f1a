import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { seeAlert } from './servers/client.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { prepareData } from './store/prepare-data.ts'

interface Hook {
  readonly type: string
  readonly data: {
    readonly id: string
    readonly type: string
    readonly title: string
    readonly message: string
    readonly receiver: string
    readonly group?: { readonly count: number; readonly titles: readonly string[] }
  }
}

let folder: string
let endpoint: HttpEndpoint
let service: Service
let status = 200
const hooks: Hook[] = []

const start = () =>
  serve(
    readSettings({
      SWITCHGEAR_CONFIG: join(folder, 'config.json'),
      DATA_DIR: folder,
      PORT: '0',
      LOG_LEVEL: 'silent',
      WEBHOOK_ALLOW_PRIVATE: '1',
    }),
  )

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-groups-'))
  endpoint = await startHttpEndpoint((request, response) => {
    if (status === 200) hooks.push(JSON.parse(request.body) as Hook)
    response.writeHead(status).end()
  })
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const hook = (name: string) => ({ name, channel: 'webhook', url: `${endpoint.url}/${name}`, secret })
  const config = {
    organizations: {
      grouped: {
        receivers: [hook('all'), hook('each')],
        routes: [
          { match: { labels: { team: 'db' } }, to: ['all'], groupBy: ['type', 'labels.region'], groupWaitMs: 1_500 },
          { to: ['each'] },
        ],
      },
      acme: { receivers: [hook('told')], maxAgeMs: 2_500, recoveredNotices: true },
      quiet: { receivers: [hook('untold')], maxAgeMs: 2_500 },
    },
    engine: {
      breakers: {
        default: { failureThreshold: 1, recoveryTimeoutMs: 1_000, recoveryBackoff: { multiplier: 1, jitter: 'none' } },
      },
      retry: { maxAttempts: 1 },
    },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  await prepareData(folder)
  service = await start()
})
afterAll(async () => {
  await service.stop()
  await endpoint.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Posted {
  readonly organization: string
  readonly id: string
}

let counter = 0
/** Posts alerts in one request, so that they come at the same time. */
async function post(organization: string, ...each: readonly object[]): Promise<Posted[]> {
  const alert = { organization, severity: 'high', status: 'firing', type: 'disk', message: 'No space' }
  const alerts = each.map((over) => {
    const id = `alert-${(counter += 1)}`
    return { ...alert, id, title: `Title of ${id}`, ...over }
  })
  const response = await fetch(`${service.url}/v1/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(alerts),
  })
  expect(response.status).toBe(202)
  return alerts
}
const settled = (alert: Posted) =>
  until(`the outcomes of ${alert.id}`, async () => {
    const { receivers } = await seeAlert(service.url, alert)
    return receivers.every(({ state }) => state !== 'pending') ? receivers : undefined
  })

const allSettled = async (alerts: readonly Posted[]) => (await Promise.all(alerts.map(settled))).flat()

describe('alerts of a route that groups', () => {
  it('are one message for the receiver, with their number and titles, also when the service was stopped meanwhile', async () => {
    const labels = { team: 'db', region: 'eu' }
    const group = await post('grouped', { labels }, { labels })
    const others = await post('grouped', { labels: { team: 'db', region: 'us' } }, { labels, status: 'resolved' })
    await service.stop()
    service = await start()
    group.push(...(await post('grouped', { labels })))
    for (const alert of [...group, ...others])
      expect(await settled(alert)).toMatchObject([
        { name: 'all', state: 'delivered' },
        { name: 'each', state: 'delivered' },
      ])
    const to = (receiver: string) => hooks.filter(({ data }) => data.receiver === receiver)
    expect(to('each')).toHaveLength(5)
    const together = to('all').filter(({ data }) => data.group !== undefined)
    // Whether the last one was in time depends on how long the start took.
    const counted = together.reduce((sum, { data }) => sum + (data.group?.count ?? 0), 0)
    expect(together).toHaveLength(1)
    expect([2, 3]).toContain(counted)
    expect(to('all')).toHaveLength(6 - counted)
    const titles = group.slice(0, counted).map(({ id }) => `Title of ${id}`)
    expect(together[0]).toMatchObject({
      type: 'alert.firing',
      data: { id: group[0]?.id, title: `${counted} alerts: ${titles[0]}`, group: { count: counted, titles } },
    })
  })
})

describe('a destination that has recovered', () => {
  const destination = () => `webhook:127.0.0.1:${endpoint.port}`

  it('is told to each receiver once, with how many messages it missed', async () => {
    status = 503
    await allSettled(await post('acme', {}))
    // One now and then is sent to try, and fails; the others wait, until they are too old.
    const posted = await Promise.all(['acme', 'quiet'].map((name) => post(name, {}, {}, {})))
    const lost = await allSettled(posted.flat())
    expect(lost.filter(({ reason }) => reason === 'expired').length).toBeGreaterThanOrEqual(3)
    status = 200
    await until('a message to pass', async () => {
      const [receiver] = await allSettled(await post('acme', {}))
      return receiver?.state === 'delivered' || undefined
    })
    const notice = await until('the notice', () => hooks.find(({ data }) => data.type === 'recovered'))
    expect(notice).toMatchObject({
      type: 'alert.resolved',
      data: { receiver: 'told', title: `Recovered: ${destination()} takes messages again` },
    })
    expect(notice.data.message).toMatch(/^[1-9]\d* messages? to "told" could not be delivered between 20/)
    await allSettled([...(await post('acme', {})), ...(await post('quiet', {}))])
    expect(hooks.filter(({ data }) => data.type === 'recovered')).toHaveLength(1)
  })
})
