import { connect } from 'node:http2'
import fastify from 'fastify'
import { memoryLimiter } from 'switchgear'
import { fastifyRateLimit } from 'switchgear/http'
import { onTestFinished, test } from 'vitest'
import { until } from '../../servers/until.ts'

test('over HTTP/2 an answer is given back as well, and not to whoever hangs up before it', async () => {
  const limiter = memoryLimiter()
  const left = async () => (await limiter.peek('acme', 'alerts')).limits[0]?.remaining
  const app = fastify({ http2: true })
  const refundWhen = () => true
  await app.register(fastifyRateLimit, { limiter, names: 'alerts', key: () => 'acme', refundWhen })
  app.get('/', () => 'here')
  app.get('/slow', (request) => new Promise((resolve) => request.raw.once('close', () => resolve('too late'))))
  const client = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
  onTestFinished(async () => {
    client.destroy()
    await app.close()
  })

  const slow = client.request({ ':path': '/slow' }).on('error', () => {})
  await until('the booking', async () => (await left()) === 99 || undefined)
  const closed = new Promise((resolve) => slow.once('close', resolve))
  slow.destroy()
  await closed
  for (let index = 0; index < 3; index += 1) {
    const request = client.request({ ':path': '/' }).resume()
    await new Promise((resolve, reject) => request.once('end', resolve).once('error', reject))
  }
  await until('the other refunds', async () => (await left()) === 99 || undefined)
})
