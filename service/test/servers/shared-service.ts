import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EventLog, memoryCache, memoryDeadLetters, memoryLimiter, memoryLog } from 'switchgear'
import type { Sending } from '../../src/channels/channel.ts'
import { HttpAnswerError } from '../../src/channels/http-answer-error.ts'
import { serve } from '../../src/serve.ts'
import { readSettings } from '../../src/settings.ts'
import type { Row } from '../../src/store/database.ts'
import { startPglite } from '../store/start-databases.ts'

/** An instance of the service in this process, whose log others may join, and whose channels end in a world of ours. */
export interface SharedService {
  readonly url: string
  readonly log: EventLog
  /** Hosts that answer 503. */
  readonly dead: Set<string>
  /** What has arrived, in order. */
  readonly arrived: readonly Sending<'webhook'>[]
  /** How its database answers; as it does, unless told otherwise. */
  readonly database: { answer: (ask: () => Promise<readonly Row[]>) => Promise<readonly Row[]> }
  /** Once, however often it is asked. */
  stop(): Promise<void>
}

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`

/** A receiver of webhooks at this host. */
export function hookAt(host: string, name = 'hook'): object {
  return { name, channel: 'webhook', url: `https://${host}/alerts`, secret }
}

export async function startSharedService(
  config: object,
  settings: Record<string, string> = {},
): Promise<SharedService> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-shared-'))
  const file = join(folder, 'switchgear.config.json')
  writeFileSync(file, JSON.stringify(config))
  const { database, end } = await startPglite()
  const answering: SharedService['database'] = { answer: (ask) => ask() }
  const query: typeof database.query = (...asked) => answering.answer(() => database.query(...asked))
  const log = memoryLog()
  const dead = new Set<string>()
  const arrived: Sending<'webhook'>[] = []
  let stopping: Promise<void> | undefined
  const send = async (sending: Sending<'webhook'>): Promise<void> => {
    const { host } = new URL(sending.target.url)
    if (dead.has(host)) throw new HttpAnswerError(host, 503, {}, 'nobody is there')
    arrived.push(sending)
  }
  const service = await serve(
    readSettings({
      PORT: '0',
      DATA_DIR: folder,
      SWITCHGEAR_CONFIG: file,
      LOG_LEVEL: 'silent',
      INSTANCE: 'one',
      ...settings,
    }),
    {
      engine: { log, limiter: memoryLimiter(), deadLetters: memoryDeadLetters(), cache: memoryCache() },
      database: { ...database, query },
      channels: { webhook: { send, close: async () => {} } },
    },
  )
  return {
    url: service.url,
    log,
    dead,
    arrived,
    database: answering,
    stop: () => (stopping ??= stop()),
  }

  async function stop(): Promise<void> {
    await service.stop()
    await end()
    rmSync(folder, { recursive: true, force: true })
  }
}
