import type { Logger } from 'switchgear'
import { type AlertStore, leaseMsDefault } from '../store/alert-store.ts'
import type { Deliver } from './deliver-message.ts'
import type { Dispatcher } from './dispatcher.ts'
import { expireMessages } from './expire-messages.ts'
import type { Holds } from './holds.ts'
import { regularly } from './regularly.ts'

/** How often the store is looked into, in ms: for work, for leases, for tidying up. */
const lookMs = 1_000
const renewMs = leaseMsDefault / 3
const tidyMs = 600_000

export interface StoreWatchOptions {
  readonly store: AlertStore
  readonly deliver: Deliver
  readonly dispatcher: Dispatcher
  readonly holds: Holds
  readonly logger: Logger
}

/**
 * Looks into the store again and again, for what nobody told us of: messages that other instances stored or gave up,
 * holds that they were asked for, messages that have waited too long, leases that have to be renewed.
 */
export function watchStore(options: StoreWatchOptions): { stop(): Promise<void> } {
  const { store, deliver, dispatcher, logger } = options
  const stopping = new AbortController()
  const expire = (): Promise<void> => expireMessages(store, deliver, { logger, signal: stopping.signal })
  const jobs = [
    regularly(lookMs, 'the store could not be looked into', () => look(options), logger),
    regularly(lookMs, 'messages that have waited too long could not be settled', expire, logger),
    regularly(renewMs, 'leases could not be renewed', () => store.renew(dispatcher.inFlight()), logger),
    regularly(tidyMs, 'the store could not be tidied up', () => store.tidy(), logger),
  ]
  void jobs[0]?.now()
  return {
    async stop() {
      stopping.abort()
      await Promise.all(jobs.map((job) => job.stop()))
    },
  }
}

async function look({ store, dispatcher, holds }: StoreWatchOptions): Promise<void> {
  for (const { destination, leftMs } of await store.holds()) holds.hold(destination, leftMs)
  const due: string[] = []
  for (const { destination, dueInMs } of await store.backlog()) {
    if (dueInMs <= 0) due.push(destination)
    else dispatcher.wakeIn(destination, dueInMs)
  }
  dispatcher.wake(due)
}
