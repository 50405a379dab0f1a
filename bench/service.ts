import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../service/test/store/start-databases.ts'
import { startRedis } from '../test/servers/start-redis.ts'
import { compare, type Bench, type Measured } from './harness.ts'
import { type HttpProcess, startHttpProcess } from './service/http-process.ts'

const program = fileURLToPath(new URL('../service/dist/main.js', import.meta.url))
const bareProgram = fileURLToPath(new URL('service/bare-fastify.ts', import.meta.url))
const goal = { atLeast: 0.5 } as const
/** Rounds before those that count: a server runs for weeks, and its code is slow until it has met some ten thousand requests. */
const warmUpRounds = 24

const alert = {
  organization: 'acme',
  severity: 'critical',
  status: 'firing',
  type: 'disk',
  title: 'Disk full on db-7',
  message: 'No space is left on /dev/sda1: 0 of 512 GB free, 31 writers wait',
  labels: { host: 'db-7', region: 'eu-central-1', team: 'storage' },
  occurredAt: 1_764_000_000_000,
}
const one = JSON.stringify(alert)
const hundred = JSON.stringify(Array.from({ length: 100 }, () => alert))

/** What it costs to take an alert in: stored before it is answered, beside a server that throws it away. */
export const serviceBench: Bench = {
  name: 'service',
  what: 'alerts accepted over HTTP per CPU second of the process, over those of a bare Fastify with the same body, 64 under way',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-bench-'))
    const config = join(folder, 'switchgear.config.json')
    writeFileSync(config, JSON.stringify(silenced))
    const bare = await startHttpProcess(['--import', 'tsx', bareProgram])
    try {
      return [...(await onServers(bare, config)), ...(await embedded(bare, config, folder))]
    } finally {
      await bare.end()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** Each alert has a receiver, whose row is written; it is silenced, so that nothing is sent while intake is measured. */
const silenced = {
  organizations: {
    acme: {
      receivers: [{ name: 'room', channel: 'slack', url: 'https://hooks.slack.com/services/acme' }],
      silences: [{ match: { type: 'disk' }, until: '2099-01-01T00:00:00Z', by: 'bench', reason: 'intake alone' }],
      limits: { alerts: { limit: 1_000_000_000, windowMs: 60_000 } },
    },
  },
}

async function onServers(bare: HttpProcess, config: string): Promise<readonly Measured[]> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  const settings = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, DATA_DIR: join(config, '..') }
  const service = await startService(config, settings)
  try {
    return [
      ...(await against(bare, service, one, { id: 'single', what: 'one alert a request, PostgreSQL and Redis', goal })),
      ...(await against(bare, service, hundred, { id: 'hundred', what: '100 alerts a request, the same', goal })),
    ]
  } finally {
    await service.end()
    await Promise.all([postgres.end(), redis.stop()])
  }
}

async function embedded(bare: HttpProcess, config: string, folder: string): Promise<readonly Measured[]> {
  const service = await startService(config, { DATA_DIR: folder })
  try {
    return await against(bare, service, one, {
      id: 'embedded',
      what: 'one alert a request, its database in the process',
      goal,
    })
  } finally {
    await service.end()
  }
}

function startService(config: string, settings: Record<string, string>): Promise<HttpProcess> {
  return startHttpProcess([program, 'serve'], { PORT: '0', SWITCHGEAR_CONFIG: config, ...settings })
}

async function against(
  bare: HttpProcess,
  service: HttpProcess,
  body: string,
  row: Pick<Measured, 'id' | 'what' | 'goal'>,
): Promise<readonly Measured[]> {
  for (const server of [bare, service]) await server.posting(body)(warmUpRounds)
  return compare({ baseline: bare.posting(body), time: 'told', rows: [{ ...row, ours: service.posting(body) }] })
}
