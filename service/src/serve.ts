import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ConfigError } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { cacheInvalidations } from './cache/cache-invalidations.ts'
import { dashboards } from './cache/dashboards.ts'
import type { Channels } from './channels/channels.ts'
import { emailChannel } from './channels/email.ts'
import { type HttpSender, httpSender } from './channels/http-sender.ts'
import { slackChannel } from './channels/slack.ts'
import { webhookChannel } from './channels/webhook.ts'
import { type LoadedConfig, loadConfig } from './config/load-config.ts'
import { keepLimits } from './config/keep-limits.ts'
import { type Organizations, organizationsOf, receiverOf } from './config/organizations.ts'
import { startLiveView } from './dashboard/live-view.ts'
import { startRedrives } from './dead-letters/start-redrives.ts'
import { createEngine, type Engine } from './delivery/engine.ts'
import { drainDeadlineMs } from './delivery/deliver-messages.ts'
import { sharedHolds } from './delivery/holds.ts'
import { startDelivery } from './delivery/start-delivery.ts'
import { type AlertIntake, alertIntake } from './intake/accept-alerts.ts'
import { createArrivals } from './intake/arrivals.ts'
import { startNatsIntake } from './intake/nats-intake.ts'
import { recoveredNotices } from './intake/recovered-notices.ts'
import { createLogger, type ServiceLogger } from './logging.ts'
import { checkDeadLetters, closeStores, openStores } from './open-stores.ts'
import { createOpened, type Opened } from './opened.ts'
import { accessBy } from './routes/access.ts'
import { createServer } from './routes/server.ts'
import type { Settings } from './settings.ts'
import type { SharedParts } from './shared-parts.ts'
import { type AlertStore, type AlertStoreOptions, openAlertStore } from './store/alert-store.ts'
import type { Database } from './store/database.ts'
import { openPglite } from './store/pglite.ts'
import { openPostgres } from './store/postgres.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

/** The service, listening. */
export interface Service {
  /** `http://127.0.0.1:3000` */
  readonly url: string
  readonly organizations: Organizations
  /** The configuration's file; absent when the demonstration organization stands in. */
  readonly configPath: string | undefined
  /** Takes nothing more in, finishes or hands back what is under way, and lets go of everything. */
  stop(): Promise<void>
}

/**
 * Opens everything, in the order in which it depends on each other, and listens.
 * @throws ConfigError before anything is opened, for what the settings or the configuration get wrong.
 */
export async function serve(settings: Settings, shared?: SharedParts): Promise<Service> {
  const config = await loadConfig(settings.configFile)
  // Without a configuration nobody asked for mail to made-up addresses, also where mail is set up.
  const organizations = organizationsOf(config.file, config.path === undefined ? {} : settings)
  const logger = createLogger(settings.logLevel, { fleet: settings.fleet, instance: settings.instance })
  const engine = await openEngine(config, settings, logger, shared)
  warn(config, settings, logger)

  const opened = createOpened()
  opened.add(() => logger.flush())
  opened.add(() => engine.gear.close())
  try {
    return await start({ settings, shared, config, organizations, logger, engine, opened })
  } catch (error) {
    await opened.letGo().catch((failed: unknown) => logger.error({ error: failed }, 'not all was let go of'))
    throw error
  }
}

interface Parts {
  readonly settings: Settings
  readonly shared: SharedParts | undefined
  readonly config: LoadedConfig
  readonly organizations: Organizations
  readonly logger: ServiceLogger
  readonly engine: Engine
  /** Gets whatever is opened here. */
  readonly opened: Opened
}

async function start({ settings, shared, config, organizations, logger, engine, opened }: Parts): Promise<Service> {
  const { cache, deadLetters } = engine.gear
  const invalidations = cacheInvalidations({ cache, logger })
  opened.add(() => invalidations.stop())
  const live = startLiveView({ gear: engine.gear, organizations, logger })
  opened.add(() => live.stop())
  const metrics = createMetrics(engine.gear)
  opened.add(() => metrics.close())
  const arrivals = createArrivals(organizations)
  const store = await openStore(settings, shared, logger, metrics, {
    onChange: invalidations.changed,
    onSettled(settled) {
      live.settled(settled)
      metrics.settled(settled)
      arrivals.settled(settled)
    },
  })
  opened.add(() => store.close())
  await checkDeadLetters(deadLetters, settings)
  await store.redirect((organization, name) => receiverOf(organizations, organization, name)?.destination)
  const limits = keepLimits({ organizations, limiter: engine.gear.limiter, logger })
  opened.add(() => limits.stop())
  await limits.now()
  const http = httpSender({ allowPrivate: settings.webhookAllowPrivate })
  opened.add(() => http.close())
  const channels = shared?.channels ?? openChannels(settings, http)
  opened.add(() => Promise.all(Object.values(channels).map((channel) => channel.close())))
  const parts = { store, engine, organizations, channels, holds: sharedHolds({ store, logger }), logger }
  const deliveries = startDelivery({ ...parts, gauge: metrics.delivery, opened })
  const redrives = startRedrives(parts)
  opened.add(() => Promise.all([deliveries.drain(), redrives.drain(drainDeadlineMs)]))
  const onStored = (destinations: ReadonlySet<string>): void => deliveries.wake(destinations)
  const notices = recoveredNotices({ ...parts, gear: engine.gear, arrivals, onStored })
  opened.add(() => notices.stop())
  const intake = alertIntake({ organizations, store, limiter: engine.gear.limiter, onStored })
  opened.add(() => intake.idle())
  takeInOverNats({ settings, organizations, logger, engine, opened }, metrics.intake(intake, 'nats'))
  let stopping: Promise<void> | undefined
  const app = await createServer({
    access: accessBy(settings.tokens),
    organizations,
    intake: metrics.intake(intake, 'http'),
    store,
    gear: engine.gear,
    limiter: engine.gear.limiter,
    deadLetters,
    redrives,
    dashboards: dashboards(store, cache),
    cache,
    live,
    metrics,
    logger,
    isStopping: () => stopping !== undefined,
  })
  opened.add(() => app.close())
  const url = await listen(app, settings)
  logger.info({ address: url, embedded: store.embedded, config: config.path }, 'listening')
  return { url, organizations, configPath: config.path, stop: () => (stopping ??= stop()) }

  async function stop(): Promise<void> {
    logger.info({}, 'stopping: nothing more is taken in')
    await opened.letGo()
  }
}

function takeInOverNats(
  { settings, organizations, logger, engine, opened }: Omit<Parts, 'shared' | 'config'>,
  intake: AlertIntake,
): void {
  const { natsUrls: urls, fleet } = settings
  if (urls === undefined) return
  const { deadLetters } = engine.gear
  const manage = managesStreams()
  const overNats = startNatsIntake({ urls, fleet, manage, intake, organizations, deadLetters, logger })
  opened.add(() => overNats.stop())
}

/** As the log of breakers does: in production streams are an operator's to make. */
function managesStreams(): boolean {
  return process.env['NODE_ENV'] !== 'production'
}

async function listen(app: FastifyInstance, settings: Settings): Promise<string> {
  try {
    await app.listen({ host: settings.host, port: settings.port })
  } catch (error) {
    throw listenError(error, settings)
  }
  return urlOf(app.server.address(), settings.host)
}

/** The engine, and its stores, which are the engine's to close. */
async function openEngine(
  { file }: LoadedConfig,
  settings: Settings,
  logger: ServiceLogger,
  shared: SharedParts | undefined,
): Promise<Engine> {
  const { fleet, instance } = settings
  const stores = shared?.engine ?? openStores(settings, logger)
  try {
    const log = settings.natsUrls === undefined ? {} : { log: natsLog({ servers: settings.natsUrls }) }
    return createEngine(file.engine ?? {}, { fleet, instance, logger, ...log, ...stores })
  } catch (error) {
    await closeStores(stores)
    throw error
  }
}

async function openStore(
  settings: Settings,
  shared: SharedParts | undefined,
  logger: ServiceLogger,
  metrics: Pick<Metrics, 'database'>,
  hears: Pick<AlertStoreOptions, 'onChange' | 'onSettled'>,
): Promise<AlertStore> {
  const database = shared === undefined ? await openDatabase(settings, logger) : borrowed(shared.database)
  return openAlertStore(metrics.database(database), { worker: settings.instance, ...hears })
}

/** As with a server, this instance is not the only one, and does not close it for the others. */
function borrowed(database: Database): Database {
  return { ...database, embedded: false, close: async () => {} }
}

async function openDatabase({ databaseUrl, dataDir }: Settings, logger: ServiceLogger): Promise<Database> {
  if (databaseUrl === undefined) return openPglite(dataDir)
  return openPostgres(databaseUrl, (error) => logger.warn({ error }, 'a connection to the store was lost'))
}

function openChannels(settings: Settings, http: HttpSender): Channels {
  return {
    slack: slackChannel(http),
    webhook: webhookChannel(http),
    ...(settings.smtp === undefined ? {} : { email: emailChannel(settings.smtp) }),
  }
}

function warn({ file, path }: LoadedConfig, settings: Settings, logger: ServiceLogger): void {
  if (path === undefined) logger.info({}, 'no configuration: messages of organization "demo" go to the outbox')
  for (const { organization } of settings.tokens)
    if (organization !== '*' && !Object.hasOwn(file.organizations, organization))
      logger.warn({ organization }, `SWITCHGEAR_TOKENS has a token of "${organization}", which is not configured`)
  if (settings.tokens.length === 0)
    logger.warn({}, 'SWITCHGEAR_TOKENS is not set: only this machine may ask, and may do all')
}

function listenError(error: unknown, { host, port }: Settings): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  if (error.code === 'EADDRINUSE') return new ConfigError('PORT', `${port} is in use on ${host}`, { cause: error })
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return new ConfigError('HOST', `${host} is no address of this machine`, { cause: error })
  if (error.code === 'EACCES') return new ConfigError('PORT', `${port} may not be used by this user`, { cause: error })
  return error
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
