import type { Logger } from 'switchgear'
import { deadLettering } from '../dead-letters/dead-lettering.ts'
import type { Opened } from '../opened.ts'
import type { AlertStore } from '../store/alert-store.ts'
import { deliverMessage, type DeliverOptions } from './deliver-message.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import type { Engine } from './engine.ts'
import { watchStore } from './store-watch.ts'

/** How long stopping may take until what is being sent is handed back, in ms. Longer than an attempt may take. */
export const drainDeadlineMs = 15_000

export interface DeliveryParts extends Pick<DeliverOptions, 'organizations' | 'channels' | 'holds'> {
  readonly store: AlertStore
  readonly engine: Engine
  readonly logger: Logger
  /** Gets what is started here, to stop it. */
  readonly opened: Opened
}

/** Starts sending what stands in the store, and seeing to what is too old. The dispatcher is its starter's to drain. */
export function startDelivery({ store, engine, logger, opened, ...parts }: DeliveryParts): Dispatcher {
  const { gear, retry } = engine
  const deliver = deadLettering(deliverMessage({ gear, retry, ...parts }), { deadLetters: gear.deadLetters, logger })
  const dispatcher = createDispatcher({ store, holds: parts.holds, logger, deliver })
  const watch = watchStore({ store, deliver, dispatcher, holds: parts.holds, logger })
  opened.add(() => watch.stop())
  return dispatcher
}
