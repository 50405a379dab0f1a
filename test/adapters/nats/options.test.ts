import { nkeys } from '@nats-io/transport-node'
import { describe, expect, test } from 'vitest'
import { natsLog, type NatsLogOptions } from '../../../src/adapters/nats/nats-log.ts'
import { ConfigError } from '../../../src/kernel/errors.ts'

const seed = new TextDecoder().decode(nkeys.createUser().getSeed())

/** As much of a connection as is looked at. */
const methods = ['publish', 'subscribe', 'request', 'status', 'closed', 'flush', 'isClosed']
const connectionLike = Object.fromEntries(methods.map((name) => [name, () => {}]))

describe('options that cannot be meant are refused, with their place', () => {
  test.each<[path: string, message: string, options: object]>([
    ['natsLog.servers', 'expected a URL such as nats://127.0.0.1:4222 (given: "not a url")', { servers: 'not a url' }],
    ['natsLog.servers', 'expected a URL such as nats://127.0.0.1:4222 (given: "ws://host")', { servers: 'ws://host' }],
    ['natsLog.servers', 'too small', { servers: [] }],
    ['natsLog.connection', 'expected a connection of @nats-io/transport-node (given: an object)', { connection: {} }],
    ['natsLog.replicas', 'too big', { replicas: 6 }],
    ['natsLog.replicas', 'expected int', { replicas: 1.5 }],
    ['natsLog.storage', 'expected one of "file"|"memory"', { storage: 'disk' }],
    ['natsLog.auditDays', 'too small', { auditDays: -1 }],
    ['natsLog.deadlineMs', 'too small', { deadlineMs: 0 }],
    ['natsLog.heartbeatMs', 'expected number to be >=50', { heartbeatMs: 10 }],
    ['natsLog.inboxPrefix', 'without wildcards', { inboxPrefix: 'inbox.>' }],
    ['natsLog.tls.caFiles', 'is not a known option', { tls: { caFiles: 'ca.pem' } }],
    ['natsLog.server', 'is not a known option', { server: 'nats://127.0.0.1' }],
    ['natsLog.user', 'does not go with `nkey`', { user: 'a', nkey: seed }],
    ['natsLog.user', 'is missing, and `pass` is given', { pass: 'secret' }],
    ['natsLog.credentials', 'does not go with `user`', { user: 'a', credentials: 'user.creds' }],
    ['natsLog', '`nkey` does not go with `token`', { nkey: seed, token: 'open sesame' }],
    ['natsLog.servers', 'a user in a URL does not go with', { servers: 'nats://a:b@host', nkey: seed }],
    ['natsLog.servers', 'expected the same user in each URL', { servers: ['nats://a:b@host', 'nats://a:c@host'] }],
    ['natsLog.servers', '(given: "nats://…@")', { servers: 'nats://a:sesame@' }],
    ['natsLog.tls', 'does not go with a URL that is tls://', { servers: 'tls://host', tls: false }],
    ['natsLog.connection', 'does not go with `token`', { connection: connectionLike, token: 'open sesame' }],
    ['natsLog.credentials', '"nowhere.creds" is no file of credentials', { credentials: 'nowhere.creds' }],
    ['natsLog.credentials', 'is no file of credentials', { credentials: import.meta.filename }],
    ['natsLog.nkey', 'expected the seed of a user, which begins with SU', { nkey: 'SUANOTASEED' }],
  ])('%s: %s', (path, message, options) => {
    const error = refusalOf(options)
    expect(error.path).toBe(path)
    expect(error.message.toLowerCase()).toContain(message.toLowerCase())
  })

  test('and a secret is never shown', () => {
    const secrets = [
      { pass: 'open sesame' },
      { user: 'a', nkey: seed },
      { nkey: `X${seed}` },
      { token: 'open sesame', nkey: seed },
      { token: 'open sesame', connection: connectionLike },
      { servers: 'nats://a:open%20sesame@' },
      { servers: ['a', 'ws://a:sesame@b'] },
      { servers: 'nats://a:%ffsesame@host' },
    ]
    for (const options of secrets) {
      const error = refusalOf(options)
      for (const secret of ['sesame', seed.slice(2, 12)])
        expect(`${error.message} ${error.stack}`).not.toContain(secret)
    }
  })
})

test.each<NatsLogOptions>([
  {},
  { servers: 'nats://127.0.0.1:4222' },
  { servers: ['tls://a.example', '[::1]:4222', 'b.example', 'c.example:4223'] },
  { user: 'a', pass: '', tls: true },
  { nkey: seed, tls: { ca: 'PEM' } },
  { manage: false, replicas: 3, storage: 'memory', auditDays: 0, deadlineMs: 100, heartbeatMs: 50 },
])('set %# is taken, and nothing is done before somebody joins', (options) => {
  expect(Object.keys(natsLog(options))).toEqual(['join'])
})

function refusalOf(options: object): ConfigError {
  try {
    natsLog(options)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('it was taken')
}
