import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryCache, memoryDeadLetters, memoryLimiter, memoryLog } from 'switchgear'
import { createOpened } from '../opened.ts'
import { serve, type Service } from '../serve.ts'
import { readSettings } from '../settings.ts'
import type { SharedParts } from '../shared-parts.ts'
import type { Database } from '../store/database.ts'
import { openPglite } from '../store/pglite.ts'
import { madeUpConfig } from './made-up-organizations.ts'
import { madeUpTraffic } from './made-up-traffic.ts'
import { madeUpWorld } from './made-up-world.ts'

const instances = ['demo-1', 'demo-2', 'demo-3'] as const

/** Three instances of the service in this process, in a made-up world. */
export interface DemoFleet {
  /** Of each instance; the first is at the port that was asked for. */
  readonly urls: readonly string[]
  stop(): Promise<void>
}

/**
 * Starts it. Log, limits, dead letters, cache and store are shared in memory and in a folder of its own, which goes when
 * it stops.
 * @throws ConfigError when the port is in use
 */
export async function startDemoFleet(options: {
  readonly port: number
  readonly logLevel: string
}): Promise<DemoFleet> {
  const opened = createOpened()
  try {
    const folder = await mkdtemp(join(tmpdir(), 'switchgear-demo-'))
    opened.add(() => rm(folder, { recursive: true, force: true }))
    const config = join(folder, 'switchgear.config.json')
    await writeFile(config, JSON.stringify(madeUpConfig))
    const database = await openPglite(join(folder, 'data'))
    opened.add(() => database.close())
    const shared = sharedParts(database)
    const services: Service[] = []
    opened.add(() => Promise.all(services.map((service) => service.stop())))
    for (const instance of instances)
      services.push(await serve(settingsOf(instance, config, services, options), shared))
    const urls = services.map(({ url }) => url)
    const stopping = new AbortController()
    const traffic = madeUpTraffic(urls, stopping.signal)
    opened.add(async () => {
      stopping.abort()
      await traffic
    })
    return { urls, stop: () => opened.letGo() }
  } catch (error) {
    await opened.letGo().catch(() => {})
    throw error
  }
}

function sharedParts(database: Database): SharedParts {
  const engine = {
    log: memoryLog(),
    limiter: memoryLimiter(),
    deadLetters: memoryDeadLetters(),
    cache: memoryCache(),
  }
  return { engine, database, channels: madeUpWorld() }
}

function settingsOf(
  instance: string,
  config: string,
  before: readonly Service[],
  { port, logLevel }: { readonly port: number; readonly logLevel: string },
): ReturnType<typeof readSettings> {
  return readSettings({
    FLEET: 'demo',
    INSTANCE: instance,
    // The others take what is free.
    PORT: before.length === 0 ? String(port) : '0',
    SWITCHGEAR_CONFIG: config,
    SMTP_URL: 'smtp://relay.example',
    LOG_LEVEL: logLevel,
  })
}
