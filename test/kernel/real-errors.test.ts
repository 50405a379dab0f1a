import { createServer, type Server } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { once } from 'node:events'
import { createTransport } from 'nodemailer'
import { SMTPServer } from 'smtp-server'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { classify } from '../../src/kernel/classify.ts'
import { isAbort, isOwnFault } from '../../src/kernel/own-faults.ts'

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error,
  )
}

const refusal = (responseCode: number) => Object.assign(new Error('not now'), { responseCode })

function failureOf(socket: Socket): Promise<Error> {
  return new Promise((resolve) => socket.once('error', resolve))
}

async function listening(server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A port that nobody listens on any more. */
async function refusedPort(): Promise<number> {
  const server = createTcpServer()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  return port
}

describe('over HTTP', () => {
  const server = createServer((incoming, response) => {
    switch (incoming.url) {
      case '/hang':
        return
      case '/cut':
        response.writeHead(200, { 'content-length': '100' })
        response.write('half')
        setImmediate(() => incoming.socket.destroy())
        return
      case '/busy':
        response.writeHead(429, { 'Retry-After': '7' }).end()
        return
      default:
        response.writeHead(503).end()
    }
  })
  const reset = createTcpServer((socket) => {
    socket.once('data', () => socket.resetAndDestroy())
    socket.on('error', () => {})
  })
  const garbage = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.end('this is not HTTP\r\n\r\n')
  })
  let url = ''
  let resetUrl = ''
  let garbageUrl = ''

  beforeAll(async () => {
    url = `http://127.0.0.1:${await listening(server)}`
    resetUrl = `http://127.0.0.1:${await listening(reset)}`
    garbageUrl = `http://127.0.0.1:${await listening(garbage)}`
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
    reset.close()
    garbage.close()
  })

  test('fetch to a port where nobody listens', async () => {
    const port = await refusedPort()
    const error = await errorOf(fetch(`http://127.0.0.1:${port}/`))
    expect(error).toBeInstanceOf(TypeError)
    expect(classify(error)).toMatchObject({ type: 'connection', retryable: true, code: 'ECONNREFUSED' })
    expect(classify(error).message).toBe(`fetch failed: connect ECONNREFUSED 127.0.0.1:${port}`)
    expect([isOwnFault(error), isAbort(error)]).toEqual([false, false])
  })

  test('fetch to a name that does not exist', async () => {
    const error = await errorOf(fetch('http://nobody.invalid/'))
    expect(classify(error)).toMatchObject({ type: 'connection', retryable: true })
  })

  test('fetch whose connection is reset', async () => {
    expect(classify(await errorOf(fetch(resetUrl)))).toMatchObject({ type: 'connection', retryable: true })
  })

  test('fetch whose answer breaks off', async () => {
    const response = await fetch(`${url}/cut`)
    const error = await errorOf(response.text())
    expect(error).toBeInstanceOf(TypeError)
    expect(classify(error)).toMatchObject({ type: 'connection', retryable: true })
  })

  test('fetch of something that is not HTTP', async () => {
    expect(classify(await errorOf(fetch(garbageUrl)))).toMatchObject({ type: 'connection', retryable: true })
  })

  test('fetch that AbortSignal.timeout ends', async () => {
    const error = await errorOf(fetch(`${url}/hang`, { signal: AbortSignal.timeout(20) }))
    expect(classify(error)).toMatchObject({ type: 'timeout', retryable: true, name: 'TimeoutError' })
    expect(isAbort(error)).toBe(false)
  })

  test('fetch that the caller aborts', async () => {
    const controller = new AbortController()
    const pending = errorOf(fetch(`${url}/hang`, { signal: controller.signal }))
    controller.abort()
    const error = await pending
    expect(classify(error)).toMatchObject({ type: 'unknown', retryable: false, name: 'AbortError' })
    expect(isAbort(error)).toBe(true)
  })

  test.each(['not a url', 'http://[', 'http://host:99999/'])('fetch of %s', async (address) => {
    expect(classify(await errorOf(fetch(address)))).toMatchObject({ type: 'invalid', retryable: false })
  })

  test('a Response that is thrown', async () => {
    expect(classify(await fetch(`${url}/busy`))).toMatchObject({
      type: 'rate_limited',
      retryable: true,
      status: 429,
      retryAfterMs: 7_000,
    })
    expect(classify(await fetch(url))).toMatchObject({ type: 'server_error', retryable: true, status: 503 })
  })

  test('undici, whose answer does not come', async () => {
    const dispatcher = new Agent({ headersTimeout: 20 })
    const error = await errorOf(request(`${url}/hang`, { dispatcher }))
    await dispatcher.destroy()
    expect(classify(error)).toMatchObject({ type: 'timeout', retryable: true, code: 'UND_ERR_HEADERS_TIMEOUT' })
  })

  test('undici, when its agent is gone', async () => {
    const dispatcher = new Agent()
    await dispatcher.destroy()
    expect(classify(await errorOf(request(url, { dispatcher })))).toMatchObject({ type: 'connection', retryable: true })
  })

  test('undici, given what cannot be meant', async () => {
    const error = await errorOf(request(url, { headers: { 'x-bad': 'a\nb' } }))
    expect(classify(error)).toMatchObject({ type: 'invalid', retryable: false })
  })

  test('a socket that is refused, and one that is reset', async () => {
    const refused = connect({ port: await refusedPort(), host: '127.0.0.1' })
    expect(classify(await failureOf(refused))).toMatchObject({
      type: 'connection',
      retryable: true,
      code: 'ECONNREFUSED',
    })
    const socket = connect(Number(new URL(resetUrl).port), '127.0.0.1')
    socket.write('hello')
    expect(classify(await failureOf(socket))).toMatchObject({ type: 'connection', retryable: true, code: 'ECONNRESET' })
  })
})

describe('over SMTP', () => {
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onRcptTo({ address }, _session, done) {
      const reply = /^r(\d{3})@/.exec(address)?.[1]
      done(reply === undefined ? null : refusal(Number(reply)))
    },
    onData(stream, session, done) {
      const busy = session.envelope.rcptTo.some(({ address }) => address.startsWith('data451'))
      stream.resume()
      stream.once('end', () => done(busy ? refusal(451) : null))
    },
    onAuth: (_auth, _session, done) => done(null, {}),
  })
  server.on('error', () => {})
  let port = 0

  beforeAll(async () => {
    const listener = server.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    port = (listener.address() as AddressInfo).port
  })

  afterAll(() => new Promise<void>((resolve) => server.close(resolve)))

  const send = (to: string[], options: object = {}) =>
    createTransport({ host: '127.0.0.1', port, ignoreTLS: true, ...options }).sendMail({
      from: 'a@example.org',
      to,
      text: 'hello',
    })

  test('a recipient that does not exist is refused for good', async () => {
    expect(classify(await errorOf(send(['r550@example.org'])))).toMatchObject({
      type: 'rejected',
      retryable: false,
      status: 550,
      code: 'EENVELOPE',
    })
  })

  test.each([421, 450, 451])('a recipient that has to wait (%i) is not', async (status) => {
    const error = await errorOf(send([`r${status}@example.org`]))
    expect(classify(error)).toMatchObject({ type: 'server_error', retryable: true, status })
  })

  test('one for good and one for later: later', async () => {
    const error = await errorOf(send(['r451@example.org', 'r550@example.org']))
    expect(classify(error)).toMatchObject({ type: 'server_error', retryable: true, status: 451 })
  })

  test('a message that is refused for now after its data', async () => {
    expect(classify(await errorOf(send(['data451@example.org'])))).toMatchObject({
      type: 'server_error',
      retryable: true,
      status: 451,
      code: 'EMESSAGE',
    })
  })

  test('a password that is wrong', async () => {
    const error = await errorOf(send(['b@example.org'], { auth: { user: 'u', pass: 'wrong' } }))
    expect(classify(error)).toMatchObject({ type: 'rejected', retryable: false, code: 'EAUTH' })
  })

  test('a message to nobody', async () => {
    expect(classify(await errorOf(send([])))).toMatchObject({ type: 'invalid', retryable: false, code: 'EENVELOPE' })
  })

  test('a server that nobody runs', async () => {
    const error = await errorOf(send(['b@example.org'], { port: await refusedPort() }))
    expect(classify(error)).toMatchObject({ type: 'connection', retryable: true })
    expect(isOwnFault(error)).toBe(false)
  })

  test('a server that does not greet', async () => {
    const silent = createTcpServer(() => {})
    const error = await errorOf(send(['b@example.org'], { port: await listening(silent), greetingTimeout: 20 }))
    silent.close()
    expect(classify(error)).toMatchObject({ type: 'timeout', retryable: true, code: 'ETIMEDOUT' })
  })
})
