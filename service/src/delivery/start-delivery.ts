import type { Logger, PipelineGauge } from 'switchgear'
import { messageLetters } from '../dead-letters/message-letters.ts'
import type { Opened } from '../opened.ts'
import type { AlertStore } from '../store/alert-store.ts'
import { deliverMessages, drainDeadlineMs } from './deliver-messages.ts'
import type { Engine } from './engine.ts'
import { outcomeRecorder } from './outcome-recorder.ts'
import type { SendParts } from './send-message.ts'
import { settleMessage } from './settle-message.ts'
import { storeSource } from './store-source.ts'
import { watchStore } from './store-watch.ts'

export interface DeliveryParts extends SendParts {
  readonly store: AlertStore
  readonly engine: Engine
  /** Says what is in hand. */
  readonly gauge: PipelineGauge
  readonly logger: Logger
  /** Gets what is started here, to stop it. */
  readonly opened: Opened
}

/** Sends what stands in the store. */
export interface Deliveries {
  /** There may be messages for these destinations now. */
  wake(destinations: Iterable<string>): void
  /**
   * Takes nothing more; finishes what is being sent and hands back what waits, within `drainDeadlineMs`; then hands back the
   * rest, too. Resolves when nothing is in hand.
   */
  drain(): Promise<void>
}

/** Starts sending what stands in the store, and seeing to what is too old. It is its starter's to drain. */
export function startDelivery({ store, engine, gauge, logger, opened, ...parts }: DeliveryParts): Deliveries {
  const { gear, retry } = engine
  const { holds, organizations } = parts
  const recorder = outcomeRecorder(store, logger)
  const letters = messageLetters(gear.deadLetters)
  const stopping = new AbortController()
  const source = storeSource({
    ...{ store, gear, organizations, holds, recorder, logger },
    settle: (item, outcome) => settleMessage({ recorder, letters, logger }, item, outcome),
  })
  const delivered = deliverMessages(source, { ...parts, gear, retry, letters, gauge, signal: stopping.signal })
  const watch = watchStore({ store, source, holds, logger })
  opened.add(() => watch.stop())
  return {
    wake: source.wake,
    async drain() {
      stopping.abort()
      const timer = setTimeout(() => {
        logger.warn({ messages: source.inHand().length }, 'the deadline is over: what is being sent is handed back')
        recorder.giveUp()
      }, drainDeadlineMs)
      await delivered
      await source.idle()
      await holds.idle()
      clearTimeout(timer)
    },
  }
}
