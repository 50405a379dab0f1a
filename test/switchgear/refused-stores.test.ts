import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { redisCache, redisDeadLetters, redisLimiter, redisStores } from '../../src/redis.ts'
import { until } from '../servers/until.ts'

test.each([
  ['redisLimiter', 'fleet', (url: string) => redisLimiter({ url, fleet: 'a b' })],
  [
    'redisLimiter',
    'limits.email',
    (url: string) => redisLimiter({ url, limits: { email: { limit: 0, windowMs: 1 } } }),
  ],
  ['redisDeadLetters', 'fleet', (url: string) => redisDeadLetters({ url, fleet: 'a b' })],
  ['redisCache', 'fleet', (url: string) => redisCache({ url, fleet: 'a b' })],
  ['redisCache', 'instance', (url: string) => redisCache({ url, instance: '' })],
  ['redisStores', 'fleet', (url: string) => redisStores({ url, fleet: 'a b' })],
  ['redisStores', 'instance', (url: string) => redisStores({ url, instance: '' })],
])('%s that is refused for its %s has opened no connection', async (_name, path, make) => {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted: (number | undefined)[] = []
  server.on('connection', ({ remotePort }) => void accepted.push(remotePort))
  expect(() => make(`redis://127.0.0.1:${port}`)).toThrow(
    expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path: expect.stringContaining(path) as string }),
  )
  // One that was opened before this one would be accepted before it.
  await new Promise((resolve) => setImmediate(resolve))
  const last = connect(port, '127.0.0.1')
  await once(last, 'connect')
  await until('it to be accepted', () => accepted.includes(last.localPort) || undefined)
  expect(accepted).toHaveLength(1)
  last.destroy()
  server.close()
})
