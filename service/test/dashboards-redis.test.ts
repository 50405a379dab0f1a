import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Redis } from 'ioredis'
import type { Server } from '../../test/servers/server-process.ts'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { dashboardAlert, dashboardClient, type DashboardClient } from './servers/dashboard-client.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'
import { startPostgres } from './store/start-databases.ts'

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

interface Instance {
  readonly service: ServiceProcess
  readonly client: DashboardClient
}

/** Instances of one fleet, over one PostgreSQL and one Redis, whose organization has no receivers. */
async function startFleet(): Promise<{ redis: Server; organization: string; one: Instance; other: Instance }> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-fleet-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const database = await startPostgres()
  ends.push(() => database.end())
  const redis = await startRedis()
  ends.push(() => redis.stop())
  const file = join(folder, 'switchgear.config.json')
  const organization = `acme-${process.pid}-${Date.now()}`
  writeFileSync(file, JSON.stringify({ organizations: { [organization]: { receivers: [] } } }))
  const start = async (instance: string): Promise<Instance> => {
    const service = await startService(folder, {
      SWITCHGEAR_CONFIG: file,
      SWITCHGEAR_TOKENS: `${organization}:secret`,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      INSTANCE: instance,
    })
    ends.push(() => service.kill())
    return { service, client: dashboardClient(service.url, 'secret') }
  }
  const [one, other] = [await start('one'), await start('other')]
  return { redis, organization, one, other }
}

const counts = '/v1/stats/counts'

async function showsTotal({ client }: Instance, total: number): Promise<void> {
  await until(`the total of ${total}`, async () => (await client.get(counts)).body['total'] === total || undefined)
}

describe('two instances that share a Redis', { timeout: 120_000 }, () => {
  it('share what is cached, and what one stores or invalidates the other does not show any more', async () => {
    const { redis, organization, one, other } = await startFleet()
    await until('both to hear of each other', async () => {
      await one.client.get(counts)
      return (await other.client.get(counts)).xCache === 'hit' || undefined
    })
    for (let total = 1; total <= 5; total += 1) {
      const [here, there] = total % 2 === 0 ? [one, other] : [other, one]
      expect((await there.client.get(counts)).body['total']).toBe(total - 1)
      expect((await here.client.post('/v1/alerts', dashboardAlert(organization))).status).toBe(202)
      const storedAt = performance.now()
      await Promise.all([showsTotal(here, total), showsTotal(there, total)])
      expect(performance.now() - storedAt).toBeLessThan(3_000)
    }

    const search = '/v1/search?q=disk'
    expect((await one.client.get(search)).body['items']).toHaveLength(5)
    expect((await other.client.get(search)).xCache).toBe('hit')
    expect((await other.client.get(search)).xCache).toBe('hit')
    expect((await one.client.post('/v1/cache/invalidate', { scope: 'search' })).status).toBe(200)
    await until('the other to have heard', async () => (await other.client.get(search)).xCache === 'miss' || undefined)
    expect((await one.client.get(search)).xCache).toBe('hit')

    const observer = new Redis(redis.url)
    const clients = Number(/connected_clients:(\d+)/.exec(await observer.info('clients'))?.[1])
    observer.disconnect()
    // Of each instance one for letters and the cache, and one that hears what is invalidated.
    expect(clients).toBe(1 + 2 * 2)
  })

  it('answer while Redis is away, each from what it has itself, and agree when it is back', async () => {
    const { redis, organization, one, other } = await startFleet()
    await Promise.all([showsTotal(one, 0), showsTotal(other, 0)])
    const { port } = new URL(redis.url)
    await redis.kill()
    expect((await one.client.post('/v1/alerts', dashboardAlert(organization))).status).toBe(202)
    await showsTotal(one, 1)
    const refused = await one.client.post('/v1/cache/invalidate', { scope: 'all' })
    expect(refused).toMatchObject({
      status: 503,
      body: { detail: 'the other instances cannot be told; here it is invalidated' },
    })
    const back = await startRedis({ port: Number(port) })
    ends.push(() => back.stop())
    await showsTotal(other, 1)
    await until(
      'the first to say that it works again',
      () => one.service.logs.some(({ msg }) => msg === 'the cache can be invalidated again') || undefined,
    )
    expect(await one.service.terminate()).toBe(0)
    expect(await other.service.terminate()).toBe(0)
  })
})
