import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { redisDeadLetters } from 'switchgear/redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Server } from '../../test/servers/server-process.ts'
import { startRedisCluster } from '../../test/servers/redis-cluster.ts'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { postAlerts, seeAlert, type SeenReceiver } from './servers/client.ts'
import { type Answer, type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { lettersClient } from './servers/letters-client.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`

const refuse: Answer = (_request, response) => response.writeHead(400).end()
/** A store that fails has a deadline of its own, and is left alone then: it is not waited for until it is back. In ms. */
const heldUpMsMax = 15_000

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-redis-letters-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function brokenEndpoint(): Promise<HttpEndpoint> {
  const endpoint = await startHttpEndpoint(refuse)
  ends.push(() => endpoint.close())
  return endpoint
}

async function ownRedis(): Promise<Server> {
  const redis = await startRedis()
  ends.push(() => redis.stop())
  return redis
}

/** A service whose one receiver is at this endpoint, and whose letters are in this Redis. */
async function startWith(endpoint: HttpEndpoint, redis: { readonly url: string }): Promise<ServiceProcess> {
  const folder = makeFolder()
  const service = await startService(folder, settingsFor(folder, endpoint, redis))
  ends.push(() => service.kill())
  return service
}

function settingsFor(folder: string, endpoint: HttpEndpoint, redis: { readonly url: string }): Record<string, string> {
  const file = join(folder, 'switchgear.config.json')
  const receivers = [{ name: 'hook', channel: 'webhook', url: endpoint.url, secret }]
  writeFileSync(file, JSON.stringify({ organizations: { acme: { receivers } } }))
  return { SWITCHGEAR_CONFIG: file, WEBHOOK_ALLOW_PRIVATE: '1', REDIS_URL: redis.url }
}

async function outcomeOf(service: ServiceProcess, id: string): Promise<SeenReceiver> {
  const alert = { organization: 'acme', id }
  expect(await postAlerts(service.url, [alert])).toBe(202)
  return until('the outcome', async () =>
    (await seeAlert(service.url, alert)).receivers.find(({ state }) => state !== 'pending'),
  )
}

describe('dead letters in Redis', () => {
  it('are those of all instances: any of them sends them again, also for a redrive that another one left', async () => {
    const [endpoint, redis] = [await brokenEndpoint(), await ownRedis()]
    const one = await startWith(endpoint, redis)
    const other = await startWith(endpoint, redis)
    const { letterId } = await outcomeOf(one, 'a-1')
    const [letter] = await lettersClient(other.url).letters('?errorType=rejected&channel=webhook')
    expect(letter).toMatchObject({ id: letterId, payload: { alert: { id: 'a-1' } } })
    endpoint.answer = (_request, response) => response.end()
    const id = await lettersClient(other.url).redrive({ filter: {} })
    await until('it to be delivered', async () =>
      (await lettersClient(one.url).redriveOf(id)).delivered === 1 ? true : undefined,
    )
    expect(endpoint.requests.map(({ headers }) => headers['webhook-id'])).toEqual(
      Array.from({ length: 2 }, () => letter?.messageId),
    )
    expect(await lettersClient(one.url).letters()).toEqual([])

    // Nobody works on this one's redrive, since nobody is there; and however many newer ones are over.
    endpoint.answer = refuse
    const { letterId: left } = await outcomeOf(one, 'a-2')
    expect(await Promise.all([one.terminate(), other.terminate()])).toEqual([0, 0])
    endpoint.answer = (_request, response) => response.end()
    const deadLetters = redisDeadLetters({ url: redis.url, fleet: 'alerts' })
    ends.push(() => deadLetters.close?.())
    const { redrives } = deadLetters
    const [old] = await redrives.start([left ?? ''])
    for (let n = 0; n < 120; n += 1) for (const { id } of await redrives.start(['acme.none'])) await redrives.cancel(id)
    await startWith(endpoint, redis)
    await until('it to be done', async () => ((await redrives.get(old?.id ?? ''))?.state === 'done' ? true : undefined))
    expect(await deadLetters.count()).toBe(0)
  })

  it('are as well in a Cluster of which some nodes are named', async () => {
    const [endpoint, cluster] = [await brokenEndpoint(), await startRedisCluster()]
    ends.push(() => cluster.remove())
    const service = await startWith(endpoint, { url: cluster.urls.slice(0, 2).join(', ') })
    const { letterId } = await outcomeOf(service, 'a-1')
    const client = lettersClient(service.url)
    expect(await client.letters('?text=answered')).toMatchObject([{ id: letterId }])
    endpoint.answer = (_request, response) => response.end()
    const id = await client.redrive({ filter: {} })
    await until('it to be delivered', async () => ((await client.redriveOf(id)).delivered === 1 ? true : undefined))
    expect(await client.letters()).toEqual([])
    expect(await service.terminate()).toBe(0)
  })
})

/** One service and its Redis, which fails in one way after another. */
describe('dead letters of a Redis that fails', () => {
  let folder: string
  let endpoint: HttpEndpoint
  let redis: Server
  let service: ServiceProcess
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-redis-letters-'))
    endpoint = await startHttpEndpoint(refuse)
    redis = await startRedis()
    service = await startService(folder, settingsFor(folder, endpoint, redis))
  })
  beforeEach(() => {
    endpoint.answer = refuse
  })
  afterAll(async () => {
    expect(await service.terminate()).toBe(0)
    await redis.stop()
    await endpoint.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('wait in a file while it does not answer, and hold up nothing', async () => {
    expect(await outcomeOf(service, 'before')).toMatchObject({ state: 'deadLettered' })
    process.kill(redis.pid ?? Number.NaN, 'SIGSTOP')
    try {
      const startedAt = Date.now()
      expect(await outcomeOf(service, 'frozen')).toMatchObject({ state: 'deadLettered' })
      expect(Date.now() - startedAt).toBeLessThan(heldUpMsMax)
    } finally {
      process.kill(redis.pid ?? Number.NaN, 'SIGCONT')
    }
    await until('both letters to be in Redis', async () =>
      (await lettersClient(service.url).letters()).length === 2 ? true : undefined,
    )
  })

  it.each(['goes on', 'is killed and started again'])(
    'wait in a file while it is away, and are there once it is back: the service %s',
    async (what) => {
      expect(await outcomeOf(service, `before-it-${what.replaceAll(' ', '-')}`)).toMatchObject({
        state: 'deadLettered',
      })
      const { port } = new URL(redis.url)
      await redis.kill()
      const startedAt = Date.now()
      const id = what.replaceAll(' ', '-')
      const outcome = await outcomeOf(service, id)
      expect(Date.now() - startedAt).toBeLessThan(heldUpMsMax)
      expect(outcome).toMatchObject({
        state: 'deadLettered',
        reason: 'rejected',
        letterId: expect.any(String) as string,
      })
      const asked = await lettersClient(service.url).ask('GET', '/v1/dead-letters')
      expect(asked).toMatchObject({ status: 503, body: { detail: 'the dead letters cannot be reached' } })
      expect(asked.type).toContain('application/problem+json')
      if (what !== 'goes on') {
        await service.kill()
        service = await startService(folder, settingsFor(folder, endpoint, redis))
      }
      redis = await startRedis({ port: Number(port) })
      // What Redis had is gone with it, unless its answer came so late that the letter went into the file, too.
      await until('the letter to be in Redis, once', async () => {
        const letters = await lettersClient(service.url).letters()
        return letters.filter((letter) => letter.id === outcome.letterId).length === 1 ? true : undefined
      })
      endpoint.answer = (_request, response) => response.end()
      const redrive = await lettersClient(service.url).redrive({ ids: [outcome.letterId] })
      await until('it to be delivered', async () =>
        (await lettersClient(service.url).redriveOf(redrive)).delivered === 1 ? true : undefined,
      )
      expect(await seeAlert(service.url, { organization: 'acme', id })).toMatchObject({
        receivers: [{ state: 'delivered' }],
      })
    },
  )
})
