import { type ConsumerConfig, jetstream, jetstreamManager, type ConsumerInfo } from '@nats-io/jetstream'
import { connect, nanos, nuid, type NatsConnection } from '@nats-io/transport-node'
import { fromJetStream, type FromJetStreamOptions, type JetStreamItem } from '../../../src/nats.ts'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import type { OpenItems, TakenItem } from '../../../src/ports/item-source.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { until } from '../../servers/until.ts'

export const delivered: Outcome<undefined> = { status: 'delivered', value: undefined, attempts: 1, durationMs: 1 }

/** A stream with a consumer, and whoever writes into it and looks at it over a connection of its own. */
export interface StreamRig {
  readonly stream: string
  publish(...data: readonly (string | Uint8Array)[]): Promise<void>
  info(): Promise<ConsumerInfo>
  deleteConsumer(): Promise<void>
  /** The sequences that the stream still has: a work queue forgets what was acknowledged. */
  left(): Promise<ReadonlySet<number>>
  /** Reads with `fromJetStream`, driven by hand. */
  read(options?: FromJetStreamOptions<unknown>, over?: NatsConnection, onItem?: () => void): Promise<Reader>
  end(): Promise<void>
}

export interface Reader {
  readonly open: OpenItems
  readonly taken: TakenItem<JetStreamItem<unknown>>[]
  readonly ends: unknown[]
  readonly nc: NatsConnection
  /** Waits for so many in all; gives the last of them. */
  has(count: number): Promise<TakenItem<JetStreamItem<unknown>>>
  data(): readonly unknown[]
}

export async function streamRig(url: string, config: Partial<ConsumerConfig> = {}): Promise<StreamRig> {
  const stream = freshName('jobs')
  const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  const js = jetstream(nc)
  const jsm = await jetstreamManager(nc)
  await jsm.streams.add({ name: stream, subjects: [`${stream}.>`], retention: 'workqueue' })
  await jsm.consumers.add(stream, {
    durable_name: 'worker',
    ack_policy: 'explicit',
    ack_wait: nanos(30_000),
    ...config,
  })
  return {
    stream,
    async publish(...data) {
      const store = (one: string | Uint8Array, msgID: string) =>
        until('a message to be stored', () => js.publish(`${stream}.a`, one, { msgID, timeout: 1_000 }))
      await Promise.all(data.map((one) => store(one, nuid.next())))
    },
    info: () => jsm.consumers.info(stream, 'worker'),
    async deleteConsumer() {
      await jsm.consumers.delete(stream, 'worker')
    },
    async left() {
      const { state } = await jsm.streams.info(stream, { deleted_details: true })
      const deleted = new Set(state.deleted)
      const seqs = Array.from({ length: state.last_seq - state.first_seq + 1 }, (_, n) => state.first_seq + n)
      return new Set(seqs.filter((seq) => !deleted.has(seq)))
    },
    async read(options = {}, over = nc, onItem = () => {}) {
      const consumer = await jetstream(over).consumers.get(stream, 'worker')
      const taken: TakenItem<JetStreamItem<unknown>>[] = []
      const ends: unknown[] = []
      const open = fromJetStream(consumer, { heartbeatMs: 200, deadlineMs: 1_000, ...options }).items.open({
        item(one) {
          taken.push(one)
          onItem()
        },
        end: (error) => void ends.push(error),
      })
      return {
        open,
        taken,
        ends,
        nc: over,
        has: (count) => until(`${count} messages`, () => taken.slice(0, count)[count - 1], 30_000),
        data: () => taken.map(({ item }) => item.data),
      }
    },
    end: () => nc.close(),
  }
}

/** Waits until the server's own account of the consumer is as said. */
export function accountIs(
  rig: StreamRig,
  what: string,
  holds: (info: ConsumerInfo) => boolean,
  deadlineMs = 30_000,
): Promise<ConsumerInfo> {
  return until(
    what,
    async () => {
      const info = await rig.info()
      return holds(info) ? info : undefined
    },
    deadlineMs,
  )
}

/** Says the same of each; done when the server has it. */
export async function settleAll(taken: readonly TakenItem<unknown>[], outcome: Outcome<unknown>): Promise<void> {
  await Promise.all(taken.map(async (one) => one.settle(outcome)))
}
