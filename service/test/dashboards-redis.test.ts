import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Redis } from 'ioredis'
import type { Server } from '../../test/servers/server-process.ts'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { dashboardAlert, dashboardClient, type DashboardClient } from './servers/dashboard-client.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'
import { startPostgres } from './store/start-databases.ts'

interface Instance {
  readonly service: ServiceProcess
  /** Who asks it in the name of an organization. */
  as(organization: string): DashboardClient
}

const run = `${process.pid}-${Date.now()}`
const organizations = [`acme-${run}`, `globex-${run}`] as const

/** Instances of one fleet, over one PostgreSQL and one Redis, whose organizations have no receivers. */
let folder: string
let database: Awaited<ReturnType<typeof startPostgres>>
let redis: Server
let one: Instance
let other: Instance
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-fleet-'))
  database = await startPostgres()
  redis = await startRedis()
  const file = join(folder, 'switchgear.config.json')
  const configured = organizations.map((name) => [name, { receivers: [] }] as const)
  writeFileSync(file, JSON.stringify({ organizations: Object.fromEntries(configured) }))
  const start = async (instance: string): Promise<Instance> => {
    const service = await startService(folder, {
      SWITCHGEAR_CONFIG: file,
      SWITCHGEAR_TOKENS: organizations.map((name) => `${name}:secret-${name}`).join(','),
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      INSTANCE: instance,
    })
    return { service, as: (organization) => dashboardClient(service.url, `secret-${organization}`) }
  }
  one = await start('one')
  other = await start('other')
})
afterAll(async () => {
  expect(await Promise.all([one.service.terminate(), other.service.terminate()])).toEqual([0, 0])
  await Promise.all([database.end(), redis.stop()])
  rmSync(folder, { recursive: true, force: true })
})

const counts = '/v1/stats/counts'

async function showsTotal(client: DashboardClient, total: number): Promise<void> {
  await until(`the total of ${total}`, async () => (await client.get(counts)).body['total'] === total || undefined)
}

describe('two instances that share a Redis', () => {
  it('share what is cached, and what one stores or invalidates the other does not show any more', async () => {
    const [organization] = organizations
    const [first, second] = [one.as(organization), other.as(organization)]
    await until('both to hear of each other', async () => {
      await first.get(counts)
      return (await second.get(counts)).xCache === 'hit' || undefined
    })
    for (let total = 1; total <= 5; total += 1) {
      const [here, there] = total % 2 === 0 ? [first, second] : [second, first]
      expect((await there.get(counts)).body['total']).toBe(total - 1)
      expect((await here.post('/v1/alerts', dashboardAlert(organization))).status).toBe(202)
      const storedAt = performance.now()
      await Promise.all([showsTotal(here, total), showsTotal(there, total)])
      // A second, and what a busy machine takes; who hears nothing shows the old total for 30 s.
      expect(performance.now() - storedAt).toBeLessThan(15_000)
    }

    // What one has looked up may be written after its answer; each time another question, of which the other knows nothing.
    let limit = 10
    const search = await until('the other to have what the first one looked up', async () => {
      const question = `/v1/search?q=disk&limit=${(limit += 1)}`
      expect((await first.get(question)).body['items']).toHaveLength(5)
      return (await second.get(question)).xCache === 'hit' ? question : undefined
    })
    expect((await second.get(search)).xCache).toBe('hit')
    expect((await first.post('/v1/cache/invalidate', { scope: 'search' })).status).toBe(200)
    await until('the other to have heard', async () => (await second.get(search)).xCache === 'miss' || undefined)
    await until('the first to have it again', async () => (await first.get(search)).xCache === 'hit' || undefined)

    const observer = new Redis(redis.url)
    const clients = Number(/connected_clients:(\d+)/.exec(await observer.info('clients'))?.[1])
    observer.disconnect()
    // Of each instance one for letters and the cache, and one that hears what is invalidated.
    expect(clients).toBe(1 + 2 * 2)
  })

  it('answer while Redis is away, each from what it has itself, and agree when it is back', async () => {
    const [, organization] = organizations
    const [first, second] = [one.as(organization), other.as(organization)]
    await Promise.all([showsTotal(first, 0), showsTotal(second, 0)])
    const { port } = new URL(redis.url)
    await redis.kill()
    expect((await first.post('/v1/alerts', dashboardAlert(organization))).status).toBe(202)
    await showsTotal(first, 1)
    const refused = await first.post('/v1/cache/invalidate', { scope: 'all' })
    expect(refused).toMatchObject({
      status: 503,
      body: { detail: 'the other instances cannot be told; here it is invalidated' },
    })
    redis = await startRedis({ port: Number(port) })
    await showsTotal(second, 1)
    await until(
      'the first to say that it works again',
      () => one.service.logs.some(({ msg }) => msg === 'the cache can be invalidated again') || undefined,
    )
  })
})
