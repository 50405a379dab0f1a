import type { Logger } from 'switchgear'
import { type AlertStore, leaseMsDefault } from '../store/alert-store.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Holds } from './holds.ts'

/** How often the store is looked into, in ms: for work, for leases, for tidying up. */
const lookMs = 1_000
const renewMs = leaseMsDefault / 3
const tidyMs = 600_000

export interface StoreWatchOptions {
  readonly store: AlertStore
  readonly dispatcher: Dispatcher
  readonly holds: Holds
  readonly logger: Logger
}

/**
 * Looks into the store again and again, for what nobody told us of: messages that other instances stored or gave up,
 * holds that they were asked for, messages that have waited too long, leases that have to be renewed.
 */
export function watchStore(options: StoreWatchOptions): { stop(): Promise<void> } {
  const { store, dispatcher, logger } = options
  const jobs = [
    regularly(lookMs, 'the store could not be looked into', () => look(options), logger),
    regularly(renewMs, 'leases could not be renewed', () => store.renew(dispatcher.inFlight()), logger),
    regularly(tidyMs, 'the store could not be tidied up', () => store.tidy(), logger),
  ]
  void jobs[0]?.now()
  return {
    async stop() {
      await Promise.all(jobs.map((job) => job.stop()))
    },
  }
}

async function look({ store, dispatcher, holds, logger }: StoreWatchOptions): Promise<void> {
  const expired = await store.expire()
  if (expired > 0) logger.warn({ messages: expired }, 'messages had waited too long and were dead-lettered')
  for (const { destination, leftMs } of await store.holds()) holds.hold(destination, leftMs)
  const due: string[] = []
  for (const { destination, dueInMs } of await store.backlog()) {
    if (dueInMs <= 0) due.push(destination)
    else dispatcher.wakeIn(destination, dueInMs)
  }
  dispatcher.wake(due)
}

/** Runs a job every so often, never twice at a time, and lives with its failures. */
function regularly(
  everyMs: number,
  complaint: string,
  job: () => Promise<void>,
  logger: Logger,
): { now(): Promise<void>; stop(): Promise<void> } {
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    try {
      await job()
    } catch (error) {
      logger.error({ error }, complaint)
    } finally {
      running = undefined
    }
  }
  const now = (): Promise<void> => (running ??= run())
  const timer = setInterval(() => void now(), everyMs).unref()
  return {
    now,
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
