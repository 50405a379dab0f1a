import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sized } from '../../test/sized.ts'
import { until } from '../../test/servers/until.ts'
import type { SeenAlert } from './servers/client.ts'
import { deadPort, type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { runService, type ServiceProcess, startService } from './servers/service-process.ts'

/** Each of them is looked for everywhere. */
const secrets = {
  acmesToken: 'hush-token-of-acme',
  operatorsToken: 'hush-token-of-operators',
  webhook: `whsec_${Buffer.from('hush hush hush hush hush hush hush').toString('base64')}`,
  webhookPath: 'hush-path-of-webhook',
  slackPath: 'hushT0/hushB0/hush-hush-hush-hush',
  mailPassword: 'hush%40mail',
  natsPassword: 'hush-nats',
}
/** What of them is known by other spellings. */
const spelled = [
  ...Object.values(secrets),
  'hush@mail',
  Buffer.from('hush@mail').toString('base64'),
  Buffer.from('\0alerts\0hush@mail').toString('base64'),
  'hush-hush-hush-hush',
]

/** A mail server that understands no login, and says so by repeating it. */
async function startParrot(): Promise<{ port: number; heard: string[]; server: Server }> {
  const heard: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write('220 parrot.example ESMTP\r\n')
    socket.on('data', (data) => {
      const line = data.toString('utf8').trim()
      heard.push(line)
      if (/^EHLO/i.test(line)) socket.write('250-parrot.example\r\n250 AUTH PLAIN LOGIN\r\n')
      else if (/^AUTH/i.test(line)) socket.write(`535 5.7.8 not understood: "${line}", and hush@mail is wrong\r\n`)
      else socket.write('500 what?\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, heard, server }
}

let folder: string
let service: ServiceProcess
let endpoint: HttpEndpoint
let parrot: Awaited<ReturnType<typeof startParrot>>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-security-'))
  parrot = await startParrot()
  endpoint = await startHttpEndpoint(({ path, headers, body }, response) =>
    response.writeHead(404).end(`Cannot POST ${path} with ${String(headers['webhook-signature'])}: ${body}`),
  )
  const plenty = { limit: 1_000_000, windowMs: 60_000 }
  const receivers = [
    { name: 'ops', channel: 'email', to: ['ops@acme.example'] },
    { name: 'room', channel: 'slack' },
    { name: 'hook', channel: 'webhook', url: `${endpoint.url}/${secrets.webhookPath}`, secret: secrets.webhook },
    {
      name: 'dead',
      channel: 'webhook',
      url: `http://127.0.0.1:${await deadPort()}/${secrets.webhookPath}`,
      secret: secrets.webhook,
    },
  ]
  const limits = { alerts: plenty, email: plenty, slack: plenty, webhook: plenty }
  const file = join(folder, 'config.json')
  const engine = { retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 } }
  writeFileSync(file, JSON.stringify({ organizations: { acme: { receivers, limits } }, engine }))
  service = await startService(folder, {
    SWITCHGEAR_CONFIG: file,
    LOG_LEVEL: 'trace',
    WEBHOOK_ALLOW_PRIVATE: '1',
    SWITCHGEAR_TOKENS: `acme:${secrets.acmesToken},*:${secrets.operatorsToken}`,
    SMTP_URL: `smtp://alerts:${secrets.mailPassword}@127.0.0.1:${parrot.port}`,
    SLACK_WEBHOOK_URL: `${endpoint.url}/services/${secrets.slackPath}`,
    NATS_URL: `nats://alerts:${secrets.natsPassword}@127.0.0.1:${await deadPort()}`,
  })
})
afterAll(async () => {
  await service.kill()
  await endpoint.close()
  parrot.server.close()
  rmSync(folder, { recursive: true, force: true })
})

const asOperator = { authorization: `Bearer ${secrets.operatorsToken}` }

/** Writes this, and gives what comes back until the other side ends. */
async function raw(text: string, and: (socket: Socket) => void = () => {}): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('data', (data: string) => {
    answer += data
  })
  // A server that has heard enough may reset the rest.
  socket.on('error', () => {})
  socket.write(text)
  and(socket)
  await once(socket, 'close')
  return answer
}

const request = (line: string, headers: readonly string[] = []): string =>
  [`${line} HTTP/1.1`, 'host: 127.0.0.1', 'connection: close', ...headers, '', ''].join('\r\n')

const bearer = `authorization: Bearer ${secrets.operatorsToken}`

const posting = (...headers: readonly string[]): string =>
  request('POST /v1/alerts', [bearer, 'content-type: application/json', ...headers])

describe('every answer', () => {
  it.each([
    ['the page', request('GET /')],
    ['a file of the page', request('GET /assets/dashboard.css')],
    ['the description', request('GET /openapi.json')],
    ['a list', request('GET /v1/breakers', [bearer])],
    ['a refusal', request('GET /v1/breakers')],
    ['nothing there', request('GET /nowhere')],
    ['another method', request('TRACE /v1/alerts')],
    ['a path that cannot be read', request('GET /v1/alerts/%zz', [bearer])],
    ['what is no JSON', posting('content-length: 0')],
    ['what is no HTTP', 'HELO parrot\r\n\r\n'],
    ['headers that are too large', request('GET /healthz', [`x: ${'x'.repeat(20_000)}`])],
    [
      'too many headers',
      request(
        'GET /healthz',
        Array.from({ length: 101 }, (_, index) => `x-${index}: 1`),
      ),
    ],
  ])('says to browsers what it may do: %s', async (_what, text) => {
    const [head = ''] = (await raw(text)).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 [2-4]\d\d /)
    const policies = head.match(/^content-security-policy: .*$/gim)
    expect(policies).toHaveLength(1)
    expect(policies?.[0]).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    for (const header of [
      'nosniff',
      'no-referrer',
      'cross-origin-resource-policy: same-origin',
      'x-frame-options: DENY',
    ])
      expect(head).toContain(header)
    expect(head).toMatch(/^cache-control: no-(?:store|cache)\r?$/im)
    expect(head).not.toMatch(/^(?:server|x-powered-by|access-control-allow-origin):/im)
  })

  it('says so for a stream of events, too', async () => {
    const stop = new AbortController()
    const { headers } = await fetch(`${service.url}/v1/events`, { headers: asOperator, signal: stop.signal })
    stop.abort()
    expect(headers.get('content-type')).toContain('text/event-stream')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('a request', () => {
  it.each([
    ['431', 'headers of more than 16 KiB', request('GET /healthz', [`x: ${'x'.repeat(16_384)}`])],
    [
      '431',
      'more than 100 headers',
      request(
        'GET /healthz',
        Array.from({ length: 99 }, (_, index) => `x${index}:`),
      ),
    ],
    ['413', 'a body that says that it is too large', posting('content-length: 1048577')],
    [
      '401',
      'a large body without a token',
      request('POST /v1/alerts', ['content-type: application/json', 'content-length: 1048577']),
    ],
    ['400', 'two lengths', request('POST /v1/alerts', [bearer, 'content-length: 2', 'content-length: 3'])],
    [
      '400',
      'a length and chunks',
      request('POST /v1/alerts', [bearer, 'content-length: 2', 'transfer-encoding: chunked']),
    ],
    ['400', 'a header without a name', request('GET /healthz', [': x'])],
    [
      '200',
      'as many headers as there may be',
      request(
        'GET /healthz',
        Array.from({ length: 98 }, (_, index) => `x${index}:`),
      ),
    ],
  ])('gets %s with %s', async (status, _what, text) => {
    expect(await raw(text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  it('whose body grows beyond 1 MiB without having said so gets 413', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const head = posting('transfer-encoding: chunked')
    const answer = await raw(head, (socket) => {
      for (let count = 0; count < 20; count += 1) socket.write(chunk)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  const slowly: readonly (readonly [string, number, string, string])[] = [
    ['headers', 9_000, 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n', 'x: 1\r\n'],
    ['body', 29_000, posting('content-length: 1000'), ' '],
  ]

  // The body is the longer wait: it is waited for where there is time.
  it.each(slowly.slice(0, sized(1, 2)))(
    'that sends its %s bit by bit is cut off',
    async (...[, notBeforeMs, head, bit]) => {
      const start = performance.now()
      const answer = await raw(head, (socket) => {
        const timer = setInterval(() => socket.write(bit), 500)
        socket.once('close', () => clearInterval(timer))
      })
      const tookMs = performance.now() - start
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*took too long/)
      expect(tookMs).toBeGreaterThan(notBeforeMs)
      // It is looked for every second; a busy machine may be late.
      expect(tookMs).toBeLessThan(notBeforeMs + 15_000)
    },
  )
})

describe('a secret', () => {
  const read = async (path: string, headers: Record<string, string> = asOperator): Promise<string> =>
    (await fetch(`${service.url}${path}`, { headers })).text()

  it('stands in no answer, no letter and no log, whatever the other side repeats of it', async () => {
    const stop = new AbortController()
    const events = await fetch(`${service.url}/v1/events?types=transition,outcome,decision,letter,summary`, {
      headers: asOperator,
      signal: stop.signal,
    })
    const alert = {
      organization: 'acme',
      id: 'a',
      severity: 'high',
      status: 'firing',
      type: 'disk',
      title: 't',
      message: 'm',
    }
    const headers = { authorization: `Bearer ${secrets.acmesToken}`, 'content-type': 'application/json' }
    const posted = await fetch(`${service.url}/v1/alerts`, { method: 'POST', headers, body: JSON.stringify(alert) })
    expect(posted.status).toBe(202)
    const settled = await until(
      'every receiver to have an outcome',
      async () => {
        const seen = JSON.parse(await read('/v1/alerts/a')) as SeenAlert
        return seen.receivers.every(({ state }) => state === 'deadLettered') ? seen : undefined
      },
      30_000,
    )
    // The parrot has heard the login, the others have seen the paths, and all have said so.
    expect(parrot.heard.join('\n')).toContain(Buffer.from('\0alerts\0hush@mail').toString('base64'))
    expect(endpoint.requests.map(({ path }) => path).join('\n')).toContain('hush-hush-hush-hush')
    expect(settled.receivers.map(({ lastError }) => lastError).join('\n')).toContain('[secret]')

    const { paths } = JSON.parse(await read('/openapi.json')) as { paths: Record<string, Record<string, object>> }
    const lists = Object.keys(paths).filter((path) => 'get' in (paths[path] ?? {}) && !/[{]|events/.test(path))
    const asked = [
      ...lists,
      '/v1/search?organization=acme&q=disk',
      '/v1/alerts/a',
      ...settled.receivers.map(({ letterId }) => `/v1/dead-letters/${encodeURIComponent(letterId ?? '')}`),
      `/v1/breakers/${encodeURIComponent(`webhook:${new URL(endpoint.url).host}`)}/history`,
      '/',
    ]
    const answers = await Promise.all(asked.map((path) => read(path)))
    const first = (await events.body?.getReader().read())?.value as Uint8Array | undefined
    stop.abort()
    const told = [...answers, new TextDecoder().decode(first), service.output(), JSON.stringify(service.logs)]
    for (const text of told) for (const secret of spelled) expect(text).not.toContain(secret)
    expect(service.logs.length).toBeGreaterThan(2)
  })

  it('stands in no log of an order or a request that fails', async () => {
    for (const token of [`${secrets.operatorsToken}x`, secrets.acmesToken])
      await read('/v1/limits/suggestions', { authorization: `Bearer ${token}` })
    const text = service.output() + JSON.stringify(service.logs)
    for (const secret of spelled) expect(text).not.toContain(secret)
  })

  it('is not told by a start that fails because the database is away', async () => {
    const own = mkdtempSync(join(folder, 'start-'))
    const url = `postgres://alerts:hush-database@127.0.0.1:${await deadPort()}/alerts`
    const { code, output } = await runService(own, ['serve'], { DATABASE_URL: url })
    expect(code).not.toBe(0)
    expect(output).toContain('ECONNREFUSED')
    expect(output).not.toContain('hush')
  })
})

// The last: nobody answers after it.
it('clients that send nothing or half a request do not keep the service from stopping', async () => {
  const sockets: Socket[] = []
  for (const text of ['', 'GET /healthz HTTP/1.1\r\nhost: x\r\n']) {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    if (text !== '') socket.write(text)
    sockets.push(socket)
  }
  // What was written has arrived when a later request has been answered.
  await (await fetch(`${service.url}/healthz`)).text()
  const patience = setTimeout(() => void service.kill(), 60_000)
  expect(await service.terminate()).toBe(0)
  clearTimeout(patience)
  for (const socket of sockets) socket.destroy()
})
