import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NatsNode, startNatsNode } from '../../../test/servers/nats-node.ts'
import { type RedisNode, startRedisNode } from '../../../test/servers/redis-node.ts'
import type { Database } from '../../src/store/database.ts'
import { type PostgresNode, startPostgresNode } from '../store/postgres-node.ts'
import { type ServiceProcess, startService } from './service-process.ts'

/** Service processes that share servers of our own, which can fail. */
export interface ServiceFleet {
  /** In the order of their names; one that was started again stands where it stood. */
  readonly instances: readonly ServiceProcess[]
  readonly database: Database
  readonly postgres: PostgresNode
  readonly redis: RedisNode
  readonly nats: NatsNode
  /** Starts an instance, which has ended, under the name that it had. */
  startAgain(index: number): Promise<void>
  end(): Promise<void>
}

/** `fleet`: its name, its own in a NATS, Redis or PostgreSQL that others use too. */
export async function startServiceFleet(count: number, fleet: string, config: object): Promise<ServiceFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-fleet-'))
  const file = join(folder, 'switchgear.config.json')
  writeFileSync(file, JSON.stringify(config))
  const [postgres, redis, nats] = await Promise.all([startPostgresNode(), startRedisNode(), startNatsNode()])
  const start = (index: number): Promise<ServiceProcess> =>
    startService(mkdtempSync(join(folder, `${index}-`)), {
      FLEET: fleet,
      INSTANCE: `instance-${index}`,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      NATS_URL: nats.url,
      SWITCHGEAR_CONFIG: file,
      WEBHOOK_ALLOW_PRIVATE: '1',
    })
  const instances: ServiceProcess[] = []
  for (let index = 0; index < count; index += 1) instances.push(await start(index))
  return {
    instances,
    database: postgres.database,
    postgres,
    redis,
    nats,
    async startAgain(index) {
      instances[index] = await start(index)
    },
    async end() {
      await Promise.all(instances.map((instance) => instance.terminate()))
      await Promise.all([postgres.end(), redis.remove(), nats.remove()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
