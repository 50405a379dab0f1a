import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { answerTo, type PostedAlert } from './client.ts'

/** What became of requests, as their senders saw it. */
export interface TrafficReport {
  /** From each accepted request to its answer, in ms. */
  readonly answeredMs: readonly number[]
  /**
   * Requests that were answered otherwise, by status and `Retry-After`, or not at all (`none`); each was made again until it
   * was accepted.
   */
  readonly otherwise: Readonly<Record<string, number>>
  /** From each of those to its answer, in ms. */
  readonly otherwiseMs: readonly number[]
}

export interface TrafficOptions {
  readonly alerts: readonly PostedAlert[]
  readonly alertsInPost: number
  readonly perSecond: number
  /** Whom to ask, each in turn; asked anew for each request. */
  readonly urls: () => readonly string[]
}

/** How long a sender waits until it asks the next instance, in ms. */
const againMs = 100

/** Posts alerts at a steady rate, however fast they are answered. Resolves when all of them were accepted. */
export async function steadyTraffic({ alerts, alertsInPost, perSecond, urls }: TrafficOptions): Promise<TrafficReport> {
  const answeredMs: number[] = []
  const otherwise: Record<string, number> = {}
  const otherwiseMs: number[] = []
  const posts: Promise<void>[] = []
  const startedAt = performance.now()
  for (let first = 0; first < alerts.length; first += alertsInPost) {
    await sleep(Math.max(0, startedAt + (first / perSecond) * 1_000 - performance.now()))
    posts.push(untilAccepted(alerts.slice(first, first + alertsInPost), first / alertsInPost))
  }
  await Promise.all(posts)
  return { answeredMs, otherwise, otherwiseMs }

  async function untilAccepted(some: readonly PostedAlert[], turn: number): Promise<void> {
    const all = urls()
    const askedAt = performance.now()
    const answer = await answerTo(all[turn % all.length] ?? '', some).catch(() => undefined)
    const ms = performance.now() - askedAt
    if (answer?.status === 202) return void answeredMs.push(ms)
    const how =
      answer === undefined ? 'none' : `${answer.status}, ${answer.headers.get('retry-after') ?? 'no Retry-After'}`
    otherwise[how] = (otherwise[how] ?? 0) + 1
    otherwiseMs.push(ms)
    await sleep(againMs)
    return untilAccepted(some, turn + 1)
  }
}

/** Publishes alerts at a steady rate. Resolves when the stream has taken all of them. */
export async function steadyPublishing(
  natsUrl: string,
  fleet: string,
  alerts: readonly PostedAlert[],
  perSecond: number,
): Promise<void> {
  const nc = await connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const stream = jetstream(nc, { timeout: 2_000 })
  const startedAt = performance.now()
  const publishing = alerts.map(async (alert, index) => {
    await sleep((index / perSecond) * 1_000 - (performance.now() - startedAt))
    await untilTaken(alert)
  })
  await Promise.all(publishing)
  await nc.close()

  async function untilTaken(alert: PostedAlert): Promise<void> {
    const body = { ...alert, severity: 'high', status: 'firing', type: 'disk', title: 'Disk full', message: 'No space' }
    const subject = `switchgear.v1.${fleet}.alerts.${alert.organization}`
    const taken = await stream.publish(subject, JSON.stringify(body)).then(
      () => true,
      () => false,
    )
    if (taken) return
    await sleep(againMs)
    return untilTaken(alert)
  }
}
