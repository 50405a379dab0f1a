import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { createSwitchgear, type Switchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { redisCache } from 'switchgear/redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Server } from '../servers/server-process.ts'
import { startNats } from '../servers/start-nats.ts'
import { until } from '../servers/until.ts'
import { closed, readDocument, schemasOf } from './document.ts'

const document = readDocument()
const schemaOf = schemasOf(closed(document))
const heard: Msg[] = []
let server: Server
let nc: NatsConnection
let gears: readonly Switchgear[] = []

beforeAll(async () => {
  server = await startNats()
  nc = await connect({ servers: server.url, reconnect: false })
  nc.subscribe('switchgear.v1.wire.>', { callback: (_error, msg) => void heard.push(msg) })
  const over = { calls: 10 } as const
  gears = ['a', 'b'].map((instance) =>
    createSwitchgear({
      fleet: 'wire',
      instance,
      log: natsLog({ servers: server.url, manage: true }),
      breakers: { default: { failureThreshold: 3, failureRate: { over, threshold: 0.9 }, sharedEvidence: true } },
    }),
  )
  await Promise.all(gears.map((gear) => gear.ready({ deadlineMs: 60_000 })))
})
afterAll(async () => {
  await Promise.all(gears.map((gear) => gear.close()))
  await nc?.close()
  await server?.stop()
})

test('all that a fleet sends over a real server is as the document describes it, headers too', async () => {
  const [gear] = gears
  if (gear === undefined) throw new Error('no instance')
  const breaker = gear.breaker('webhook:acme.example')
  for (let call = 0; call < 3; call++) await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  await until('the fleet to be open', () => gears[1]?.states().get(breaker.name)?.mode === 'open' || undefined, 60_000)
  await breaker.forceOpen({ by: 'ann', reason: 'a test', forMs: 60_000 })
  await breaker.release({ by: 'ann', reason: 'over' })
  await until('all of it', () => ['log', 'transitions', 'audit'].every((kind) => count(kind) >= 3) || undefined, 60_000)
  await until('a digest', () => count('evidence') > 0 || undefined, 60_000)

  for (const msg of heard) {
    const [channel = '', token] = msg.subject.split('.').slice(3)
    expect(token).toBe('webhook=3Aacme=2Eexample')
    const body = msg.json<{ readonly type?: string }>()
    const { headers, payload } = messageOf(channel, body.type)
    expect({ channel, type: body.type, ...problems(headers, headersOf(msg)) }).toEqual({ channel, type: body.type })
    expect({ channel, type: body.type, ...problems(payload, body) }).toEqual({ channel, type: body.type })
  }
})

test('what a cache tells of is as the document describes it, also while its Redis is away', async () => {
  const cache = redisCache({
    url: 'redis://127.0.0.1:1',
    fleet: 'wire',
    invalidations: natsLog({ servers: server.url, manage: false }),
  })
  const told = (): readonly Msg[] => heard.filter(({ subject }) => subject === 'switchgear.v1.wire.invalidate')
  const has = (field: string): boolean => told().some((msg) => field in msg.json<object>())
  const address = { organization: 'acme', kind: 'stats', key: 'day' }
  // What is told before it is linked is lost.
  await until('both kinds of news', async () => {
    await Promise.allSettled([cache.invalidate({ organization: 'acme', scope: 'all' }), cache.delete(address)])
    return (has('scope') && has('key')) || undefined
  })
  await cache.close?.()
  for (const msg of told()) {
    const { headers, payload } = messageOf('invalidate', 'invalidation')
    expect(problems(headers, headersOf(msg))).toEqual({})
    expect(problems(payload, msg.json())).toEqual({})
  }
})

function count(kind: string): number {
  return heard.filter(({ subject }) => subject.startsWith(`switchgear.v1.wire.${kind}.`)).length
}

/** What the document says of the messages of a channel, by their type. */
function messageOf(channel: string, type: string | undefined): { readonly headers: string; readonly payload: string } {
  const name = type?.replace(/^.*\.(\w+)\.v1$/, '$1') ?? 'digest'
  const reference = document.channels[channel]?.messages[name]?.$ref ?? ''
  const message = document.components.messages[reference.split('/').at(-1) ?? '']
  if (message === undefined || !('$ref' in message.payload)) throw new Error(`${channel} has no ${name}`)
  return { headers: message.headers.$ref, payload: message.payload.$ref }
}

function problems(reference: string, value: unknown): { readonly errors?: unknown } {
  const validate = schemaOf(reference)
  return validate(value) ? {} : { errors: validate.errors }
}

function headersOf({ headers }: Msg): Record<string, string> {
  return Object.fromEntries((headers?.keys() ?? []).map((key) => [key, headers?.get(key) ?? '']))
}
