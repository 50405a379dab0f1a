import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isPrivateAddress } from '../src/channels/address-is-private.ts'
import { PrivateAddressError, type Resolve } from '../src/channels/guarded-connector.ts'
import { HttpAnswerError } from '../src/channels/http-answer-error.ts'
import { httpSender } from '../src/channels/http-sender.ts'
import { loopbackInClothes, privateAddresses } from './private-addresses.ts'

const publics = [
  ...['1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0'],
  ...['169.253.255.255', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0', '198.17.255.255'],
  ...['198.20.0.0', '223.255.255.255', '::ffff:8.8.8.8', '2606:4700::1111', '2a00:1450:4001::1', '2003::1'],
]

describe('the private address guard', () => {
  it.each(privateAddresses)('refuses %s', (address) => expect(isPrivateAddress(address)).toBe(true))
  it.each(publics)('allows %s', (address) => expect(isPrivateAddress(address)).toBe(false))
  it.each(['', 'localhost', 'example.com', '1.2.3', '999.1.1.1'])('refuses what is no address: "%s"', (text) =>
    expect(isPrivateAddress(text)).toBe(true),
  )
})

describe('sending to strangers', () => {
  let server: Server
  let port: number
  const asked: string[] = []
  /** What is said of paths that begin so. */
  const answerTo = new Map<string, (path: string) => string>()

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? '')
      const said = [...answerTo].find(([beginning]) => request.url?.startsWith(beginning))?.[1]
      if (said !== undefined) return void response.writeHead(404).end(said(request.url ?? ''))
      const [, redirect, status = '302'] = (request.url ?? '').split('/')
      if (redirect === 'redirect') response.writeHead(Number(status), { location: `http://127.0.0.1:${port}/inside` })
      else if (request.url === '/long') response.writeHead(500).write('x'.repeat(200_000))
      else response.writeHead(request.url === '/gone' ? 410 : 200)
      response.end('said\u0000 the\nserver')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const resolvingTo =
    (...addresses: string[]): Resolve =>
    (_host, _options, answer) =>
      answer(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )

  async function post(url: string, options: { allowPrivate?: boolean; resolve?: Resolve } = {}): Promise<unknown> {
    const { allowPrivate = false, resolve } = options
    const sender = httpSender({ allowPrivate, ...(resolve === undefined ? {} : { resolve }) })
    const outcome = await sender.post(url, '{}', {}, AbortSignal.timeout(5_000)).then(
      () => 'sent',
      (error: unknown) => error,
    )
    await sender.close()
    return outcome
  }

  it.each(privateAddresses.filter((address) => !address.includes('%')))(
    'opens no connection to the literal %s',
    async (address) => {
      const host = address.includes(':') ? `[${address}]` : address
      expect(await post(`http://${host}:${port}/`)).toBeInstanceOf(PrivateAddressError)
    },
  )

  it.each(loopbackInClothes)('opens no connection to a literal in %s clothes', async (_kind, host) => {
    expect(await post(`http://${host}:${port}/`)).toBeInstanceOf(PrivateAddressError)
  })

  it.each(['http://localhost', 'https://localhost'])(
    'opens no connection to %s by the system resolver',
    async (origin) => {
      expect(await post(`${origin}:${port}/`)).toBeInstanceOf(PrivateAddressError)
    },
  )

  it.each([
    ['the only address', ['10.0.0.7']],
    ['the second address', ['1.1.1.1', '127.0.0.1']],
    ['a mapped address', ['::ffff:169.254.169.254']],
  ])('opens no connection to a name of which %s is private', async (_which, addresses) => {
    const outcome = await post(`http://rebound.example:${port}/`, { resolve: resolvingTo(...addresses) })
    expect(outcome).toBeInstanceOf(PrivateAddressError)
  })

  it('connects to the addresses that were checked, and asks no second time', async () => {
    let answers = 0
    const changing: Resolve = (_host, _options, answer) => {
      answers += 1
      answer(null, [{ address: answers === 1 ? '192.0.2.255' : '127.0.0.1', family: 4 }])
    }
    expect(await post(`http://changing.example:${port}/`, { resolve: changing })).toBeInstanceOf(PrivateAddressError)
    expect(answers).toBe(1)
  })

  it('says that a name without addresses was not found', async () => {
    expect(await post('http://nowhere.example/', { resolve: resolvingTo() })).toMatchObject({ code: 'ENOTFOUND' })
  })

  it('reaches private addresses when that is allowed', async () => {
    expect(await post(`http://127.0.0.1:${port}/fine`, { allowPrivate: true })).toBe('sent')
  })

  it('does not follow a redirect', async () => {
    const outcome = await post(`http://127.0.0.1:${port}/redirect`, { allowPrivate: true })
    expect(outcome).toBeInstanceOf(HttpAnswerError)
    expect(outcome).toMatchObject({ status: 302 })
    expect(asked).not.toContain('/inside')
  })

  it.each([301, 303, 307, 308])('does not follow a %i either, and tells of no place', async (status) => {
    const outcome = await post(`http://127.0.0.1:${port}/redirect/${status}`, { allowPrivate: true })
    expect(outcome).toMatchObject({ status })
    expect(asked).not.toContain('/inside')
  })

  it('tells on one line, and without what cannot be printed, what the other side said', async () => {
    expect(await post(`http://127.0.0.1:${port}/gone`, { allowPrivate: true })).toMatchObject({
      status: 410,
      message: `127.0.0.1:${port} answered 410: said the server`,
    })
  })

  it.each([
    ['as it was asked', (path: string) => `Cannot POST ${path}`],
    ['as JSON that escapes slashes', (path: string) => JSON.stringify({ path }).replaceAll('/', '\\/')],
    ['decoded', (path: string) => `no ${decodeURIComponent(path)}`],
    ['where the text is cut', (path: string) => `${'x'.repeat(190)} ${path}`],
  ])('does not repeat the address of a webhook that the other side repeats, %s', async (_how, said) => {
    answerTo.set('/services/T0', said)
    const path = '/services/T0AAAAAAA/B0AAAAAAA/hush%2Dhush7'
    const outcome = await post(`http://127.0.0.1:${port}${path}?token=sshh-sshh`, { allowPrivate: true })
    expect(outcome).toMatchObject({ status: 404 })
    const { message } = outcome as Error
    expect(message).toContain('answered 404')
    expect(message).not.toMatch(/hush|sshh|T0AAA|B0AAA/)
  })

  it('reads only the beginning of a long answer', async () => {
    const outcome = await post(`http://127.0.0.1:${port}/long`, { allowPrivate: true })
    expect(outcome).toMatchObject({ status: 500 })
    expect((outcome as Error).message.length).toBeLessThan(300)
  })
})
