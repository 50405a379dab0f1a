import { OverCapacityError, UnavailableError } from '../kernel/errors.ts'
import type { Clock } from '../ports/clock.ts'
import {
  messageBytesMax,
  retainedPerTopic,
  type AppendResult,
  type EventLog,
  type LogAppend,
  type LogFollower,
  type LogMembership,
  type StoredMessage,
} from '../ports/event-log.ts'
import type { Random } from '../ports/random.ts'

export interface SimulatedLogOptions {
  readonly clock: Clock
  readonly random: Random
  /** How long a message takes to the log, and from it to each member, in ms, drawn anew each time. */
  readonly latencyMs?: { readonly min: number; readonly max: number }
  /** How long a member waits for an answer that does not come, in ms; 1,000. */
  readonly answerMs?: number
  /** Hears of each fault at the moment that it takes effect: a message that was to be lost may never come. */
  readonly onFault?: (kind: LogFault, instance: string) => void
}

/** What can go wrong between an instance and the log, and with the log itself. */
export type LogFault =
  | 'delay'
  | 'loss'
  | 'duplication'
  | 'reordering'
  | 'partition'
  | 'partitionIn'
  | 'partitionOut'
  | 'lostAnswer'
  | 'lateAppend'
  | 'rewind'

/** How long a client takes to notice that it hears nothing any more, not even heartbeats, in ms. */
const noticeMs = 5_000

/**
 * A log of one fleet whose faults are in the test's hands: what a network, a server and a replicated store can do to the
 * real one. Instances are named as they joined. A link that is cut loses what is under way; one that is healed replays
 * what is retained since.
 */
export interface SimulatedLog extends EventLog {
  cut(instance: string): void
  /** The link is up again, and nothing is wrong with it any more. */
  heal(instance: string): void
  /** The next answers to this instance's appends are lost after they were stored. */
  loseAnswers(instance: string, count: number): void
  /** The next appends of this instance are kept on the way until `landLate`; it hears nothing of them. */
  holdAppends(instance: string, count: number): void
  landLate(): void
  /** The next messages to this instance are lost, as if the log had dropped them while it was away. */
  loseMessages(instance: string, count: number): void
  /** The next messages to this instance change places, two by two: each comes only after the one behind it. */
  swapMessages(instance: string, pairs: number): void
  /** From now on whatever this instance appends and hears takes so many ms longer, each way; until it is healed. */
  slow(instance: string, ms: number): void
  /** Nothing reaches this instance any more, which it notices after 5 s, while what it sends arrives; until it is healed. */
  deafen(instance: string): void
  /** Nothing that this instance sends arrives, while it hears everything; until it is healed. */
  mute(instance: string): void
  /** This instance hears the last message once more. */
  repeatLast(instance: string): void
  /** While true, the log stores and acknowledges a second winner of a race, as replicated JetStream before 2.10 can. */
  twoWinners: boolean
  /** All links drop, and what was stored is gone: all of it, or what is later than `seq`. */
  rewind(seq?: number): void
  /** What is retained, in order; the arbiter's view. */
  stored(topic: string): readonly StoredMessage[]
  /** Which log this is, from 1: each rewind begins another. */
  readonly epoch: number
  /** Everything that was stored, by epoch: also what is retained no more. A log that was truncated begins with what is left. */
  readonly archive: readonly (readonly StoredMessage[])[]
}

interface Member extends Harm {
  readonly instance: string
  readonly follower: LogFollower
  readonly heard: Map<string, Set<(data: Uint8Array) => void>>
  up: boolean
  left: boolean
  /** Grows with each cut, so that what was under way can be told to be lost. */
  session: number
  epoch: number
  readSeq: number
  /** What is on its way to this member, in order, and when the last of it comes. */
  underWay: (() => void)[]
  due: number
}

/** What is wrong with a link. */
interface Harm {
  answersToLose: number
  appendsToHold: number
  messagesToLose: number
  pairsToSwap: number
  /** What comes only after the next one. */
  keptBack: StoredMessage | undefined
  slowerByMs: number
  deaf: boolean
  mute: boolean
}

const unharmed: Readonly<Harm> = Object.freeze({
  answersToLose: 0,
  appendsToHold: 0,
  messagesToLose: 0,
  pairsToSwap: 0,
  keptBack: undefined,
  slowerByMs: 0,
  deaf: false,
  mute: false,
})

export function simulatedLog(options: SimulatedLogOptions): SimulatedLog {
  const { clock, random, latencyMs = { min: 0, max: 0 }, answerMs = 1_000, onFault = () => {} } = options
  const members = new Map<string, Member>()
  const topics = new Map<string, StoredMessage[]>()
  const late: (() => void)[] = []
  const archive: StoredMessage[][] = [[]]
  let epoch = 1
  let seq = 0
  let lastAt = 0

  const log: SimulatedLog = {
    twoWinners: false,
    archive,
    get epoch() {
      return epoch
    },
    join({ instance }, follower) {
      const member: Member = {
        instance,
        follower,
        heard: new Map(),
        up: false,
        left: false,
        session: 0,
        epoch,
        readSeq: 0,
        underWay: [],
        due: 0,
        ...unharmed,
      }
      members.set(instance, member)
      connect(member)
      return membershipOf(member)
    },
    cut: (instance) => disconnect(memberOf(instance), 'cut'),
    heal: (instance) => heal(memberOf(instance)),
    loseAnswers: (instance, count) => void (memberOf(instance).answersToLose += count),
    holdAppends: (instance, count) => void (memberOf(instance).appendsToHold += count),
    landLate() {
      for (const land of late.splice(0)) land()
    },
    loseMessages: (instance, count) => void (memberOf(instance).messagesToLose += count),
    swapMessages: (instance, pairs) => void (memberOf(instance).pairsToSwap += pairs),
    slow: (instance, ms) => void (memberOf(instance).slowerByMs = ms),
    deafen: (instance) => deafen(memberOf(instance)),
    mute: (instance) => void (memberOf(instance).mute = true),
    repeatLast(instance) {
      const member = memberOf(instance)
      const last = retained().findLast((message) => message.seq <= member.readSeq)
      if (last === undefined) return
      onFault('duplication', instance)
      send(member, () => member.follower.onMessage(last))
    },
    rewind(toSeq = 0) {
      onFault('rewind', '')
      epoch++
      seq = toSeq
      archive.push((archive.at(-1) ?? []).filter((message) => message.seq <= toSeq))
      for (const [topic, messages] of topics)
        topics.set(
          topic,
          messages.filter((message) => message.seq <= toSeq),
        )
      for (const member of members.values()) {
        if (!member.up) continue
        disconnect(member, 'the log was rewound')
        connect(member)
      }
    },
    stored: (topic) => [...(topics.get(topic) ?? [])],
  }
  return log

  function membershipOf(member: Member): LogMembership {
    return {
      append: (message) => append(member, message),
      async read(topic) {
        if (!member.up) throw new UnavailableError('event log', 'there is no link')
        return log.stored(topic)
      },
      broadcast(channel, data) {
        if (!member.up || member.mute) return
        for (const other of members.values()) {
          if (other !== member) send(other, () => other.heard.get(channel)?.forEach((hear) => hear(data)))
        }
      },
      listen(channel, hear) {
        const all = member.heard.get(channel) ?? new Set()
        member.heard.set(channel, all.add(hear))
        return () => void all.delete(hear)
      },
      async leave() {
        member.left = true
        disconnect(member, 'left')
        members.delete(member.instance)
      },
    }
  }

  function deafen(member: Member): void {
    member.deaf = true
    const { session } = member
    clock.setTimeout(() => {
      if (member.deaf && member.session === session) disconnect(member, 'no heartbeat')
    }, noticeMs)
  }

  function heal(member: Member): void {
    const { keptBack, deaf } = member
    Object.assign(member, unharmed)
    // It hears again, and that it has missed something.
    if (deaf) disconnect(member, 'there is a gap')
    if (member.up && keptBack !== undefined) hand(member, keptBack)
    connect(member)
  }

  function connect(member: Member): void {
    if (member.up || member.left) return
    member.up = true
    const newEpoch = member.epoch !== epoch
    const readSeq = newEpoch ? 0 : member.readSeq
    // A link that is cut before it has come up has told the member nothing.
    const begin = { epoch, readSeq }
    send(member, () => {
      Object.assign(member, begin)
      member.follower.onLink({ state: 'catchingUp', at: now(), newEpoch })
    })
    const missed = retained().filter((message) => message.seq > readSeq)
    for (const last of new Map(missed.map((message) => [message.topic, message])).values()) {
      send(member, () => member.follower.onPreview(last))
    }
    for (const message of missed) deliver(member, message)
    send(member, () => member.follower.onLink({ state: 'linked', at: now() }))
  }

  function disconnect(member: Member, why: string): void {
    if (!member.up) return
    if (why === 'cut') onFault('partition', member.instance)
    member.up = false
    member.session++
    member.keptBack = undefined
    member.underWay = []
    member.due = 0
    // What a client notices by itself comes in a turn of its own, also without a network.
    queueMicrotask(() => !member.left && member.follower.onLink({ state: 'down', why }))
  }

  async function append(member: Member, message: LogAppend): Promise<AppendResult> {
    if (message.data.length > messageBytesMax)
      throw new OverCapacityError('a message', 'messageBytesMax', messageBytesMax)
    if (!member.up) throw new UnavailableError('event log', 'there is no link')
    const { session } = member
    if (member.appendsToHold > 0) {
      member.appendsToHold--
      onFault('lateAppend', member.instance)
      late.push(() => store(message))
      return unanswered()
    }
    if (member.mute) {
      onFault('partitionOut', member.instance)
      return unanswered()
    }
    await clock.sleep(latency(member))
    if (member.session !== session) return unanswered()
    const answer = store(message)
    await clock.sleep(latency(member))
    if (member.session !== session) return unanswered()
    if (member.answersToLose > 0) {
      member.answersToLose--
      onFault('lostAnswer', member.instance)
      return unanswered()
    }
    return answer
  }

  async function unanswered(): Promise<never> {
    await clock.sleep(answerMs)
    throw new UnavailableError('event log', `no answer within ${answerMs} ms`)
  }

  function store(message: LogAppend): AppendResult {
    const messages = topics.get(message.topic) ?? []
    const same = messages.find(({ id }) => id === message.id)
    if (same !== undefined) return { status: 'stored', seq: same.seq }
    const last = messages.at(-1)
    const isSecondWinner = log.twoWinners && message.expected === (messages.at(-2)?.seq ?? 0) && random.next() < 0.5
    if (message.expected !== (last?.seq ?? 0) && !isSecondWinner) return { status: 'conflict' }
    const stored: StoredMessage = { ...message, seq: ++seq, at: now() }
    topics.set(message.topic, [...messages, stored].slice(-retainedPerTopic))
    archive.at(-1)?.push(stored)
    for (const member of members.values()) if (member.up) deliver(member, stored)
    return { status: 'stored', seq }
  }

  function deliver(member: Member, message: StoredMessage): void {
    if (member.messagesToLose > 0) {
      member.messagesToLose--
      onFault('loss', member.instance)
      return
    }
    const { keptBack } = member
    member.keptBack = undefined
    if (keptBack === undefined && member.pairsToSwap > 0) {
      member.pairsToSwap--
      member.keptBack = message
      return
    }
    hand(member, message)
    if (keptBack === undefined) return
    onFault('reordering', member.instance)
    hand(member, keptBack)
  }

  function hand(member: Member, message: StoredMessage): void {
    send(member, () => {
      member.readSeq = Math.max(member.readSeq, message.seq)
      member.follower.onMessage(message)
    })
  }

  /** In order, after the latency; lost when the link is cut meanwhile. */
  function send(member: Member, call: () => void): void {
    if (member.deaf) return onFault('partitionIn', member.instance)
    if (member.slowerByMs > 0) onFault('delay', member.instance)
    const { underWay } = member
    member.due = Math.max(member.due, clock.monotonic() + latency(member))
    underWay.push(call)
    // Whichever timer fires: timers of the same moment may be apart by the last bit.
    clock.setTimeout(() => {
      const next = underWay.shift()
      if (member.up && !member.left && member.underWay === underWay) next?.()
    }, member.due - clock.monotonic())
  }

  function retained(): readonly StoredMessage[] {
    return [...topics.values()].flat().toSorted((a, b) => a.seq - b.seq)
  }

  function latency({ slowerByMs }: Member): number {
    return latencyMs.min + random.next() * (latencyMs.max - latencyMs.min) + slowerByMs
  }

  function now(): number {
    lastAt = Math.max(lastAt, Math.floor(clock.now()))
    return lastAt
  }

  function memberOf(instance: string): Member {
    const member = members.get(instance)
    if (member === undefined) throw new RangeError(`no instance "${instance}" has joined the simulated log`)
    return member
  }
}
