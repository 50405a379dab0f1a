import type { Logger } from 'switchgear'
import { type AlertStore, leaseMsDefault } from '../store/alert-store.ts'
import type { Holds } from './holds.ts'
import { regularly } from './regularly.ts'
import type { StoreSource } from './store-source.ts'

/** How often the store is looked into, in ms: for work, for leases, for tidying up. */
const lookMs = 1_000
const renewMs = leaseMsDefault / 3
const tidyMs = 600_000

export interface StoreWatchOptions {
  readonly store: AlertStore
  readonly source: StoreSource
  readonly holds: Holds
  readonly logger: Logger
}

/**
 * Looks into the store again and again, for what nobody told us of: messages that other instances stored or gave up,
 * holds that they were asked for, messages that have waited too long, leases that have to be renewed.
 */
export function watchStore(options: StoreWatchOptions): { stop(): Promise<void> } {
  const { store, source, logger } = options
  const jobs = [
    regularly(lookMs, 'the store could not be looked into', () => look(options), logger),
    regularly(renewMs, 'leases could not be renewed', () => store.renew(source.inHand()), logger),
    regularly(tidyMs, 'the store could not be tidied up', () => store.tidy(), logger),
  ]
  void jobs[0]?.now()
  return {
    async stop() {
      await Promise.all(jobs.map((job) => job.stop()))
    },
  }
}

async function look({ store, source, holds }: StoreWatchOptions): Promise<void> {
  for (const hold of await store.holds()) holds.learn(hold)
  const due: string[] = []
  for (const { destination, dueInMs } of await store.backlog()) {
    if (dueInMs <= 0) due.push(destination)
    else source.wakeIn(destination, dueInMs)
  }
  source.wake(due)
  source.expire()
}
