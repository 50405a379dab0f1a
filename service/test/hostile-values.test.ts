import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { loopbackInClothes, privateAddresses } from './private-addresses.ts'
import type { SeenAlert } from './servers/client.ts'
import { prepareData } from './store/prepare-data.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const script = `"><script>alert(1)</script><img src=x onerror=alert(2)>\r\nBcc: all@acme.example`

/** Where a message of a stranger's choosing may not go. */
const hosts = [
  ...privateAddresses.filter((address) => !address.includes('%')),
  ...loopbackInClothes.map(([, host]) => host),
  'localhost',
].map((host) => (host.includes(':') ? `[${host}]` : host))

let folder: string
let service: Service
/** Listens on every address of this machine, and counts who comes. */
let trap: Server
let caught = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-hostile-'))
  trap = createServer((socket) => {
    caught += 1
    socket.destroy()
  }).listen(0)
  await once(trap, 'listening')
  const { port } = trap.address() as AddressInfo
  const plenty = { limit: 1_000_000, windowMs: 60_000 }
  const limits = { alerts: plenty, email: plenty, slack: plenty, webhook: plenty }
  const urls = hosts.map((host) => `http://${host}:${port}/latest/meta-data`)
  // An organization has at most 50 receivers.
  const halves = [urls.slice(0, 40), urls.slice(40)]
  const to = (channel: 'slack' | 'webhook', some: readonly string[]) => ({
    receivers: some.map((url, index) => ({
      name: `${channel} ${index}`,
      channel,
      url,
      ...(channel === 'webhook' ? { secret } : {}),
    })),
    limits,
  })
  const inside = halves.flatMap((half, index) => [
    [`hooks-${index}`, to('webhook', half)] as const,
    [`rooms-${index}`, to('slack', half)] as const,
  ])
  const texts = {
    receivers: [
      { name: 'ops', channel: 'email', to: ['ops@acme.example'] },
      { name: script, channel: 'slack' },
    ],
    limits,
  }
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ organizations: { ...Object.fromEntries(inside), [script]: texts } }))
  await prepareData(folder)
  service = await serve(readSettings({ SWITCHGEAR_CONFIG: file, DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'silent' }))
})
afterAll(async () => {
  await service.stop()
  trap.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Answer<T> {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: T
}

async function ask<T = unknown>(method: string, path: string, body?: object): Promise<Answer<T>> {
  const response = await fetch(`${service.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as T }
}

async function settled(id: string, organization: string): Promise<SeenAlert> {
  const path = `/v1/alerts/${encodeURIComponent(id)}?organization=${encodeURIComponent(organization)}`
  return until(
    `outcomes of ${id}`,
    async () => {
      const { body } = await ask<SeenAlert>('GET', path)
      return body.receivers.every(({ state }) => state !== 'pending') ? body : undefined
    },
    30_000,
  )
}

const alert = (organization: string, id: string) => ({
  organization,
  id,
  severity: 'high',
  status: 'firing',
  type: 'disk',
  title: 'Disk full',
  message: 'm',
})

describe('receivers in private networks', () => {
  it('are sent nothing, by webhook or Slack, in whatever clothes their address comes', async () => {
    const organizations = ['hooks-0', 'hooks-1', 'rooms-0', 'rooms-1']
    const posted = await ask(
      'POST',
      '/v1/alerts',
      organizations.map((name) => alert(name, `to-${name}`)),
    )
    expect(posted.status).toBe(202)
    const seen = await Promise.all(organizations.map((name) => settled(`to-${name}`, name)))
    const receivers = seen.flatMap((each) => each.receivers)
    expect(receivers).toHaveLength(2 * hosts.length)
    for (const { state, lastError, attempts } of receivers) {
      expect(state).toBe('deadLettered')
      expect(lastError).toContain('private, loopback or link-local')
      // It will not be public the next time.
      expect(attempts).toHaveLength(1)
    }
    expect(caught).toBe(0)
  })
})

describe('script in every text', () => {
  const scripted = {
    ...alert(script, script),
    dedupKey: script,
    type: script,
    title: script,
    message: script,
    labels: { [script]: script },
  }

  /** Nothing that a browser would take for a page, also where it is opened as one. */
  function expectText({ status, headers }: Answer<unknown>): void {
    expect(status).toBeLessThan(300)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  }

  it('of an alert is stored and given back as the text that it is', async () => {
    expectText(await ask('POST', '/v1/alerts', scripted))
    await settled(script, script)
    const own = encodeURIComponent(script)
    const one = await ask('GET', `/v1/alerts/${own}?organization=${own}`)
    expectText(one)
    expect(one.body).toMatchObject(scripted)
    const found = await ask<{ items: unknown[] }>(
      'GET',
      `/v1/search?organization=${own}&q=${encodeURIComponent('<script>')}`,
    )
    expectText(found)
    expect(found.body.items).toMatchObject([{ title: script, type: script, labels: { [script]: script } }])
    const types = await ask<{ counts: object }>('GET', `/v1/stats/distribution?organization=${own}&by=type`)
    expectText(types)
    expect(types.body.counts).toEqual({ [script]: 1 })
  })

  it('makes no header of a mail and no mention in Slack', async () => {
    const { body } = await ask<{ items: { channel: string; message: { subject?: string } }[] }>('GET', '/v1/outbox')
    const [mail, room] = ['email', 'slack'].map((name) => body.items.find(({ channel }) => channel === name)?.message)
    expect(mail?.subject).not.toMatch(/[\r\n]/)
    expect(JSON.stringify(room)).toContain('&lt;script&gt;')
  })

  it('of an order is given back as text', async () => {
    const { body } = await ask<{ breakers: { name: string }[] }>('GET', '/v1/breakers')
    const path = `/v1/breakers/${encodeURIComponent(body.breakers[0]?.name ?? '')}`
    expectText(await ask('POST', `${path}/force-open`, { by: script.slice(0, 60), reason: script }))
    const history = await ask('GET', `${path}/history`)
    expectText(history)
    expect(history.text).toContain(JSON.stringify(script).slice(1, -1))
    expectText(await ask('POST', `${path}/release`, { by: 'ann', reason: script }))
  })

  it('of a letter that was edited is given back as text', async () => {
    const { body: page } = await ask<{ items: { id: string; payload: { alert: object } }[] }>(
      'GET',
      '/v1/dead-letters?limit=1',
    )
    const [letter] = page.items
    const path = `/v1/dead-letters/${encodeURIComponent(letter?.id ?? '')}`
    const payload = { ...letter?.payload, alert: { ...letter?.payload.alert, title: script, message: script } }
    expectText(await ask('PATCH', path, { payload }))
    const edited = await ask('GET', path)
    expectText(edited)
    expect(edited.body).toMatchObject({ payload: { alert: { title: script, message: script } } })
  })

  it('of a request that is refused is repeated as text, if at all', async () => {
    for (const path of [`/${encodeURIComponent(script)}`, `/v1/alerts/${encodeURIComponent('<script>')}?x=<script>`]) {
      const { headers, status } = await ask('GET', path)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})
