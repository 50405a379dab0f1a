import { z } from 'zod'
import { OverCapacityError } from '../../kernel/errors.ts'
import { count, durationMsMax, parseOptions } from '../../kernel/options.ts'
import { isClock, systemClock, type Clock } from '../../ports/clock.ts'
import {
  messageBytesMax,
  retainedPerTopic,
  type AppendResult,
  type EventLog,
  type LogAppend,
  type LogFollower,
  type LogMembership,
  type StoredMessage,
} from '../../ports/event-log.ts'
import type { Logger } from '../../ports/logger.ts'
import { isRandom, systemRandom, type Random } from '../../ports/random.ts'

export interface MemoryLogOptions {
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  /** How long a message takes to the log and from it to each member, in ms, drawn anew each time; 0, in the same turn. */
  readonly latencyMs?: { readonly min: number; readonly max: number } | undefined
  /** Topics a fleet may have; 100,000. */
  readonly topicsMax?: number | undefined
}

export const memoryLogDefaults: Readonly<{ topicsMax: number }> = Object.freeze({ topicsMax: 100_000 })

/**
 * A log in this process: no server, no disk. Several instances that are given the same one are a fleet in a process.
 * The reference for what a log does; `portContracts.eventLog` holds for it.
 */
export function memoryLog(options: MemoryLogOptions = {}): EventLog {
  const {
    clock = systemClock,
    random = systemRandom,
    latencyMs,
    topicsMax = memoryLogDefaults.topicsMax,
  } = parseOptions(optionsSchema, options, 'memoryLog')
  const fleets = new Map<string, FleetLog>()
  const latency = latencyMs && (() => latencyMs.min + random.next() * (latencyMs.max - latencyMs.min))

  return {
    join(member, follower) {
      const log = fleets.get(member.fleet) ?? fleetLog(clock, topicsMax)
      fleets.set(member.fleet, log)
      return joinFleet(log, orderedDelivery(clock, latency), member.logger, follower)
    },
  }

  function joinFleet(log: FleetLog, delivery: Delivery, logger: Logger, follower: LogFollower): LogMembership {
    const heard = new Map<string, Set<(data: Uint8Array) => void>>()
    const tell = (call: () => void) =>
      delivery.push(() => {
        try {
          call()
        } catch (error) {
          logger.error({ err: error }, 'a follower of the log threw; it goes on with the next message')
        }
      })
    const member: Member = {
      message: (message) => tell(() => follower.onMessage(message)),
      heard: (channel, data) => tell(() => heard.get(channel)?.forEach((hear) => hear(data))),
    }

    tell(() => follower.onLink({ state: 'catchingUp', at: log.now(), newEpoch: false }))
    log.retained().forEach(member.message)
    tell(() => follower.onLink({ state: 'linked', at: log.now() }))
    log.members.add(member)

    return {
      append: (message) => afterLatency(() => log.append(message)),
      read: (topic) => afterLatency(() => log.topic(topic)),
      broadcast(channel, data) {
        for (const other of log.members) if (other !== member) other.heard(channel, data)
      },
      listen(channel, hear) {
        const all = heard.get(channel) ?? new Set()
        heard.set(channel, all.add(hear))
        return () => {
          all.delete(hear)
          if (all.size === 0) heard.delete(channel)
        }
      },
      async leave() {
        log.members.delete(member)
        delivery.stop()
      },
    }
  }

  /** What a member asks of the log takes its time to get there and to come back. */
  async function afterLatency<T>(ask: () => T): Promise<T> {
    if (latency !== undefined) await clock.sleep(latency())
    const answer = ask()
    if (latency !== undefined) await clock.sleep(latency())
    return answer
  }
}

const delayMs = z.number().nonnegative().max(durationMsMax)
const optionsSchema: z.ZodType<MemoryLogOptions> = z.strictObject({
  clock: z.custom<Clock>(isClock, { error: 'expected a clock' }).optional(),
  random: z.custom<Random>(isRandom, { error: 'expected a source of chance: { next() }' }).optional(),
  latencyMs: z.strictObject({ min: delayMs, max: delayMs }).optional(),
  topicsMax: count.optional(),
})

interface Member {
  message(message: StoredMessage): void
  heard(channel: string, data: Uint8Array): void
}

interface FleetLog {
  readonly members: Set<Member>
  now(): number
  append(message: LogAppend): AppendResult
  topic(topic: string): readonly StoredMessage[]
  /** All that is retained, in order. */
  retained(): readonly StoredMessage[]
}

function fleetLog(clock: Clock, topicsMax: number): FleetLog {
  const topics = new Map<string, StoredMessage[]>()
  const members = new Set<Member>()
  let seq = 0
  /** The wall clock is looked at once: the log's time goes on with the monotonic one, as its followers' estimate does. */
  const startedAt = clock.now() - clock.monotonic()

  function now(): number {
    return Math.floor(startedAt + clock.monotonic())
  }

  return {
    members,
    now,
    topic: (topic) => [...(topics.get(topic) ?? [])],
    retained: () => [...topics.values()].flat().toSorted((a, b) => a.seq - b.seq),
    append(message) {
      if (message.data.length > messageBytesMax)
        throw new OverCapacityError(`a message for "${message.topic}"`, 'messageBytesMax', messageBytesMax)
      const messages = topics.get(message.topic) ?? []
      const same = messages.find(({ id }) => id === message.id)
      if (same !== undefined) return { status: 'stored', seq: same.seq }
      if (message.expected !== (messages.at(-1)?.seq ?? 0)) return { status: 'conflict' }
      if (messages.length === 0 && topics.size >= topicsMax)
        throw new OverCapacityError('the log in memory', 'topicsMax', topicsMax)

      const stored: StoredMessage = { ...message, seq: ++seq, at: now() }
      messages.push(stored)
      if (messages.length > retainedPerTopic) messages.shift()
      topics.set(message.topic, messages)
      for (const member of members) member.message(stored)
      return { status: 'stored', seq }
    },
  }
}

interface Delivery {
  push(call: () => void): void
  stop(): void
}

/** Calls one member in order and never from within a call to the log: in a turn of its own, or after the latency. */
function orderedDelivery(clock: Clock, latency: (() => number) | undefined): Delivery {
  let queue: (() => void)[] = []
  let stopped = false
  let notBefore = 0

  function drain(): void {
    const calls = queue
    queue = []
    for (const call of calls) if (!stopped) call()
  }

  return {
    push(call) {
      if (stopped) return
      if (latency === undefined) {
        if (queue.push(call) === 1) queueMicrotask(drain)
        return
      }
      // What was sent later does not arrive sooner.
      notBefore = Math.max(notBefore, clock.monotonic() + latency())
      queue.push(call)
      clock.setTimeout(() => queue.shift()?.(), notBefore - clock.monotonic())
    },
    stop() {
      stopped = true
      queue = []
    },
  }
}
