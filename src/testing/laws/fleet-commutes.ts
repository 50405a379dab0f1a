import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { decodeEvent, encodeEvent } from '../../machines/breaker-codec.ts'
import { createReplica } from '../../machines/replica.ts'
import type { EventLog, LogFollower, StoredMessage } from '../../ports/event-log.ts'
import { silentLogger } from '../../ports/logger.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { writeLog, type LogScript } from '../written-log.ts'
import { onSubject } from './on-subject.ts'
import { bytesOf } from './breaker-fold.ts'

/** Logs of several breakers, and two orders in which a server may have interleaved them. */
interface Interleaved {
  readonly scripts: readonly LogScript[]
  readonly orders: readonly (readonly number[])[]
  readonly replayed: number
}

/** `fleet.commutes` */
export const commutes: Law<Interleaved> = onSubject(({ logs }) => ({
  name: 'fleet.commutes',
  says: 'breakers do not affect each other: however their messages are interleaved, each is where it would be alone',
  cases: fc.record({
    scripts: fc.array(logs({ stepsMax: 8 }), { minLength: 2, maxLength: 3 }),
    orders: fc.array(fc.array(fc.nat(9), { minLength: 30, maxLength: 30 }), { minLength: 2, maxLength: 2 }),
    replayed: fc.nat(20),
  }),
  holds({ scripts, orders, replayed }) {
    const logs = scripts.map((script) => writeLog(script))
    const alone = logs.map(({ positions }) => bytesOf(positions.at(-1)?.state))
    for (const order of orders) {
      const mixed = interleave(
        logs.map(({ messages }) => messages),
        order,
      )
      const read = readAll(mixed, replayed)
      logs.forEach(({ messages }, at) => {
        if (messages.length > 0) assert.equal(bytesOf(read(`breaker ${at}`)), alone[at], `breaker ${at} is elsewhere`)
      })
    }
    return logs.filter(({ messages }) => messages.length > 0).length > 1 ? 'held' : 'notExercised'
  },
}))

/** One log of several breakers; each keeps its own order, and is told apart by its place. */
function interleave(logs: readonly (readonly StoredMessage[])[], order: readonly number[]): readonly StoredMessage[] {
  const left = logs.map((messages) => [...messages])
  const seqs = logs.map(() => new Map([[0, 0]]))
  const mixed: StoredMessage[] = []
  for (let turn = 0; left.some((messages) => messages.length > 0); turn++) {
    const candidates = left.flatMap((messages, at) => (messages.length > 0 ? [at] : []))
    const at = candidates[(order[turn % order.length] ?? 0) % candidates.length] ?? 0
    const message = left[at]?.shift()
    if (message === undefined) continue
    const topic = `breaker ${at}`
    const seq = mixed.length + 1
    mixed.push({
      ...message,
      topic,
      seq,
      expected: seqs[at]?.get(message.expected) ?? 0,
      data: renamed(message, topic),
    })
    seqs[at]?.set(message.seq, seq)
  }
  return mixed
}

function renamed({ data }: StoredMessage, breaker: string): Uint8Array {
  try {
    return encodeEvent({ ...decodeEvent(data), breaker })
  } catch {
    return data
  }
}

/** What a replica makes of it, which was told the first `replayed` while it caught up. */
function readAll(messages: readonly StoredMessage[], replayed: number) {
  let follower: LogFollower | undefined
  const log: EventLog = {
    join(_member, given) {
      follower = given
      return {
        append: () => Promise.reject(new Error('nobody appends')),
        read: async () => [],
        broadcast: () => {},
        listen: () => () => {},
        leave: async () => {},
      }
    },
  }
  const replica = createReplica(
    { fleet: 'default', instance: 'reader', log, clock: virtualClock(), random: seededRandom(1), logger: silentLogger },
    { onChange: () => {}, onLink: () => {} },
  )
  follower?.onLink({ state: 'catchingUp', at: 0, newEpoch: false })
  messages.slice(0, replayed).forEach((message) => follower?.onMessage(message))
  follower?.onLink({ state: 'linked', at: 0 })
  messages.slice(replayed).forEach((message) => follower?.onMessage(message))
  return (breaker: string) => replica.position(breaker).state
}
