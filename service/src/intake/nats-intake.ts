import { setMaxListeners } from 'node:events'
import { connect } from '@nats-io/transport-node'
import { type Logger, retry, type RetryPolicy } from 'switchgear'
import { within } from '../dead-letters/within.ts'
import { openAlerts } from './nats-alerts.ts'
import { consumeAlerts, type NatsConsuming, type NatsIntakeCounts } from './nats-consume.ts'
import { natsPlace } from './nats-place.ts'

/** The alerts that come in over NATS, until it is stopped. */
export interface NatsIntake {
  /** What became of the messages since the start. */
  readonly counts: Readonly<NatsIntakeCounts>
  /** Takes nothing more, hands back what is not stored, and lets go of the connection. */
  stop(): Promise<void>
}

export interface NatsIntakeOptions extends Omit<NatsConsuming, 'counts' | 'signal'> {
  readonly urls: readonly string[]
  /** Whether the stream is made where it is missing. */
  readonly manage: boolean
}

/** How long the server may take to answer a connection, or to say goodbye, in ms. */
const deadlineMs = 5_000

/** Connecting is tried for ever: the service works without NATS, and takes alerts in over HTTP meanwhile. */
const patience: RetryPolicy = {
  maxAttempts: Number.MAX_SAFE_INTEGER,
  baseDelayMs: 250,
  maxDelayMs: 5_000,
  jitter: 'equal',
  classify: () => ({ retryable: true }),
}

/** Begins to take alerts in from the fleet's stream, as soon as there is a server. Waits for nothing. */
export function startNatsIntake(options: NatsIntakeOptions): NatsIntake {
  const { urls, fleet, manage, logger } = options
  const stopping = new AbortController()
  // Each message in hand listens, which is more than Node takes for a mistake.
  setMaxListeners(0, stopping.signal)
  const counts: NatsIntakeCounts = { stored: 0, limited: 0, invalid: 0 }
  const reasons = oncePerReason(logger)
  const policy: RetryPolicy = {
    ...patience,
    signal: stopping.signal,
    onRetry: ({ error }) => reasons.tell(error.message),
  }
  let current: Promise<void> | undefined
  const running = retry(policy)(() => (current = takeIn())).catch((error: unknown) => {
    if (!stopping.signal.aborted) logger.error({ error }, 'alerts over NATS are not taken in any more')
  })
  return {
    counts,
    async stop() {
      stopping.abort()
      await running
      // It is not tried again, and what is under way ends by itself.
      await current?.catch(() => {})
    },
  }

  /** Until it is told to stop; rejects when the connection, or what stands on the server, is gone. */
  async function takeIn(): Promise<void> {
    const nc = await connect({
      ...natsPlace(urls),
      name: 'switchgear-service',
      maxReconnectAttempts: -1,
      timeout: deadlineMs,
    })
    try {
      const consumer = await openAlerts(nc, fleet, manage)
      reasons.forget()
      logger.info({ fleet }, 'alerts are taken in over NATS')
      await consumeAlerts(consumer, { ...options, counts, signal: stopping.signal })
    } finally {
      await within(deadlineMs, 'NATS', nc.close()).catch(() => {})
    }
  }
}

/** A server that is away is tried again and again: it is told once, and again when the reason is another one. */
function oncePerReason(logger: Logger): { tell(reason: string): void; forget(): void } {
  let told = ''
  return {
    tell(reason) {
      if (reason !== told) logger.warn({ reason }, 'no alerts are taken in over NATS; it is tried again')
      told = reason
    },
    forget: () => void (told = ''),
  }
}
