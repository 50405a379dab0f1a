import type { EventLog, LogAppend, LogFollower, LogMembership } from '../ports/event-log.ts'

/** Where one instance must be, by what the log has told it. */
export interface Whereabouts {
  /** What it was last told of its link. */
  readonly linked: boolean
  /** How often it was told so. */
  readonly linkings: number
  /** Which log (0 before it was told of one), and up to which message, it has had the occasion to fold: while it catches up, what it had before. */
  readonly epoch: number
  readonly seq: number
}

export interface RecordedAppend {
  /** True time, monotonic, in ms. */
  readonly at: number
  readonly message: LogAppend
  /** Whether the log has answered. */
  answered: boolean
  readonly whereabouts: Whereabouts
}

export interface RecordedMessage {
  /** True time, monotonic, in ms. */
  readonly at: number
  /** The log's. */
  readonly storedAt: number
  readonly epoch: number
  readonly seq: number
  /** The same one, or a later one, had come before. */
  readonly stale: boolean
}

/**
 * What passes between one instance and the log, taken down on the way, so that nothing that the instance believes, or
 * says of itself, can change it.
 */
export interface InstanceRecord {
  readonly log: EventLog
  readonly appends: readonly RecordedAppend[]
  readonly heard: readonly RecordedMessage[]
  /** Which log it was last told of, also while it catches up. */
  readonly epoch: number
  whereabouts(): Whereabouts
}

/** Listens between `log` and the one instance that joins through it; `epochNow` tells logs that begin anew apart. */
export function recordInstance(log: EventLog, now: () => number, epochNow: () => number): InstanceRecord {
  const appends: RecordedAppend[] = []
  const heard: RecordedMessage[] = []
  let folded: Whereabouts = { linked: false, linkings: 0, epoch: 0, seq: 0 }
  let last = { epoch: 0, seq: 0 }

  return {
    log: { join: (member, follower) => sending(log.join(member, hearing(follower))) },
    appends,
    heard,
    get epoch() {
      return last.epoch
    },
    whereabouts: () => folded,
  }

  function hearing(follower: LogFollower): LogFollower {
    return {
      onLink(link) {
        if (link.state === 'catchingUp' && (link.newEpoch || last.epoch === 0)) last = { epoch: epochNow(), seq: 0 }
        folded =
          link.state === 'linked'
            ? { linked: true, linkings: folded.linkings + 1, ...last }
            : { ...folded, linked: false }
        follower.onLink(link)
      },
      onPreview: (message) => follower.onPreview(message),
      onMessage(message) {
        const { seq, at: storedAt } = message
        heard.push({ at: now(), storedAt, epoch: last.epoch, seq, stale: seq <= last.seq })
        last = { ...last, seq: Math.max(last.seq, seq) }
        if (folded.linked) folded = { ...folded, ...last }
        follower.onMessage(message)
      },
    }
  }

  function sending(membership: LogMembership): LogMembership {
    return {
      ...membership,
      async append(message) {
        const noted: RecordedAppend = { at: now(), message, answered: false, whereabouts: folded }
        appends.push(noted)
        const answer = await membership.append(message)
        noted.answered = true
        return answer
      },
    }
  }
}
