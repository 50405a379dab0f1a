import { strict as assert } from 'node:assert'
import type { EventLog, Link, LogAppend, LogFollower, LogMembership, StoredMessage } from '../../ports/event-log.ts'
import { silentLogger } from '../../ports/logger.ts'
import { eventually, freshName } from './contract.ts'

/** A member of a fleet on the log that is tried, with everything that the log has told it. */
export interface Member {
  readonly log: LogMembership
  readonly links: readonly Link[]
  readonly messages: readonly StoredMessage[]
  readonly previews: readonly StoredMessage[]
  /** What was called, in order: `message`, `preview`, or the state of the link. */
  readonly calls: readonly string[]
  /** Makes every callback throw, once it has noted what it was told. */
  failing: boolean
  /** Waits until so many messages have arrived, and fails when there are more. */
  has(messages: number): Promise<void>
  /** What is heard on a channel from now on, as text. */
  hear(channel: string): readonly string[]
}

/** A fleet of its own on a log. */
export interface LogFleet {
  /** Joins, and waits until linked. */
  join(fleet?: string): Promise<Member>
  joinAtOnce(fleet?: string): Member
  message(topic: string, expected: number): LogAppend
  /** Appends what must be stored; gives its sequence. */
  append(log: LogMembership, topic: string, expected: number): Promise<number>
  /** Broadcasts over and over, since a broadcast may be lost, until it has arrived. */
  broadcastUntil(member: Member, channel: string, text: string, arrived: () => boolean): Promise<void>
  /** Callbacks that came within another one, or within a call to the log. */
  readonly overlaps: readonly string[]
  end(): Promise<void>
}

export function fleetOn(log: EventLog): LogFleet {
  const name = freshName('contract')
  const members: Member[] = []
  const watch = overlapWatch()
  let ids = 0

  function joinAtOnce(fleet: string = name): Member {
    const member = newMember(log, { fleet, instance: `member-${members.length}` }, watch)
    members.push(member)
    return member
  }

  function message(topic: string, expected: number): LogAppend {
    ids += 1
    return { topic, expected, id: `${name}-${ids}`, data: new TextEncoder().encode(`message ${ids}`) }
  }

  return {
    async join(fleet) {
      const member = joinAtOnce(fleet)
      await eventually(() => member.links.at(-1)?.state === 'linked', 'the member is linked')
      return member
    },
    joinAtOnce,
    message,
    async append(membership, topic, expected) {
      const result = await watch.call(() => membership.append(message(topic, expected)))
      assert.equal(result.status, 'stored')
      return result.seq
    },
    async broadcastUntil(member, channel, text, arrived) {
      const data = new TextEncoder().encode(text)
      const sendAgain = (): boolean => {
        if (arrived()) return true
        watch.call(() => member.log.broadcast(channel, data))
        return false
      }
      await eventually(sendAgain, `the broadcast "${text}" arrives`)
    },
    overlaps: watch.overlaps,
    async end() {
      await Promise.all(members.map((member) => member.log.leave()))
    },
  }
}

function newMember(
  log: EventLog,
  who: { readonly fleet: string; readonly instance: string },
  watch: OverlapWatch,
): Member {
  const told: Told = { links: [], messages: [], previews: [], calls: [], failing: false }
  const note = (call: string, add: () => void): void => {
    watch.callback(call, add)
    told.calls.push(call)
    if (told.failing) throw new Error('a follower that fails')
  }
  const follower: LogFollower = {
    onLink: (link) => note(link.state, () => told.links.push(link)),
    onPreview: (message) => note('preview', () => told.previews.push(plain(message))),
    onMessage: (message) => note('message', () => told.messages.push(plain(message))),
  }
  const membership = watch.call(() => log.join({ ...who, logger: silentLogger }, follower))
  return Object.assign(told, {
    log: membership,
    async has(wanted: number) {
      await eventually(() => told.messages.length >= wanted, `${wanted} messages arrive`)
      assert.equal(told.messages.length, wanted)
    },
    hear(channel: string) {
      const heard: string[] = []
      const decode = (data: Uint8Array): number => heard.push(new TextDecoder().decode(data))
      watch.call(() => membership.listen(channel, (data) => watch.callback('heard', () => decode(data))))
      return heard
    },
  })
}

interface Told {
  readonly links: Link[]
  readonly messages: StoredMessage[]
  readonly previews: StoredMessage[]
  readonly calls: string[]
  failing: boolean
}

interface OverlapWatch {
  /** A call to the log, during which no callback may come. */
  call<T>(run: () => T): T
  /** A callback, during which no other may come. */
  callback(name: string, run: () => void): void
  readonly overlaps: readonly string[]
}

function overlapWatch(): OverlapWatch {
  const overlaps: string[] = []
  let busyWith: string | undefined
  const during = <T>(what: string, run: () => T): T => {
    const outer = busyWith
    busyWith = what
    try {
      return run()
    } finally {
      busyWith = outer
    }
  }
  return {
    call: (run) => during('a call to the log', run),
    callback(name, run) {
      if (busyWith !== undefined) overlaps.push(`${name} within ${busyWith}`)
      during(name, run)
    },
    overlaps,
  }
}

/** All that a message says, as it says it now: a log may read some of it only when it is asked for. */
export function plain({ topic, seq, at, id, expected, data }: StoredMessage): StoredMessage {
  return { topic, seq, at, id, expected, data: new Uint8Array(data) }
}

export function seqs(messages: readonly { readonly seq: number }[]): readonly number[] {
  return messages.map(({ seq }) => seq)
}

export function assertGrowing(numbers: readonly number[]): void {
  for (const [i, number] of numbers.entries())
    assert.ok(number > (numbers[i - 1] ?? 0), `not growing: ${numbers.join(', ')}`)
}
