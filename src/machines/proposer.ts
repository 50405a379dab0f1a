import { monotonicFactory } from 'ulid'
import { OverCapacityError, UnavailableError } from '../kernel/errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { LogMembership, StoredMessage } from '../ports/event-log.ts'
import type { Random } from '../ports/random.ts'
import { encodeEvent } from './breaker-codec.ts'
import { decide, proposalValidMs, type Intent } from './breaker-decide.ts'
import type { BreakerEvent } from './breaker-events.ts'
import type { BreakerSettings } from './breaker-options.ts'
import { fold, type Position, type Verdict } from './fold.ts'

/** Proposals wait this long at most, so that those who saw the same do not all speak at once; in ms. */
export const proposalJitterMs = 50
/** How long a race that was lost may take to show its winner, in ms. */
export const raceWaitMs = 1_000
/** How often one intent is decided afresh after a race that it lost. */
export const decisionsMax = 8

export interface ProposerOptions {
  readonly fleet: string
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly log: LogMembership
  linked(): boolean
  logNow(): number
  position(breaker: string): Position
  /** The W3C trace context of what runs now. */
  readonly traceparent?: (() => string | undefined) | undefined
}

/** What came of a proposal. Only `accepted` has changed anything. */
export type Proposed =
  | {
      readonly status: 'accepted'
      readonly event: BreakerEvent
      /** Monotonic, from before it was sent. */ readonly sentAt: number
    }
  /** The fleet's state has no use for it (any more). */
  | { readonly status: 'moot' }
  /** There is no link, so nothing was proposed. */
  | { readonly status: 'unlinked' }
  /** Something of the breaker was missed, and ten silent seconds, or its next event, must say where it stands. */
  | { readonly status: 'uncertain' }
  /** The log did not answer, kept answering with somebody else's event, or has no room for it. */
  | { readonly status: 'failed'; readonly error: UnavailableError | OverCapacityError }

/** The log did not answer: it may be told again, and each time that takes as long as the event could count. */
export function isUnanswered(proposed: Proposed): boolean {
  return proposed.status === 'failed' && proposed.error instanceof UnavailableError
}

type Appended = 'accepted' | 'lost' | UnavailableError | OverCapacityError

/** Speaks for one instance: what it proposes is decided afresh until the fleet has taken it, or has no use for it. */
export interface Proposer {
  /** Never rejects. */
  propose(
    breaker: string,
    settings: BreakerSettings,
    intent: Intent,
    options?: { readonly jitter?: boolean },
  ): Promise<Proposed>
  /** When an event of one's own was sent, monotonic, while it is waited for. */
  sentAt(id: string): number | undefined
  /** A message was folded; `acceptedSeq` is the place of the last one before it that was accepted. */
  onVerdict(message: StoredMessage, verdict: Verdict, acceptedSeq: number): void
  /** Messages of a breaker came in a replay, to be read from here on: an event of one's own may be among them. */
  onReplay(breaker: string, from: Position, messages: readonly StoredMessage[]): void
  /** A breaker's log was read further. */
  onMoved(breaker: string): void
  stop(): void
}

export function proposer(options: ProposerOptions): Proposer {
  const { fleet, instance, clock, random, log, linked, logNow, position, traceparent } = options
  /** No two alike, whatever chance says. */
  const nextId = monotonicFactory(() => random.next())
  /** Who waits for an event of its own to be folded, by its id. */
  const ownEvents = new Map<string, OwnEvent>()
  /** Who waits for any event of a breaker to be folded. */
  const moved = new Map<string, Set<() => void>>()
  /** Ends whatever is being waited for. */
  const waits = new Set<() => void>()
  let stopped = false

  return {
    propose,
    sentAt: (id) => ownEvents.get(id)?.sentAt,
    onVerdict,
    onReplay(breaker, from, messages) {
      // To read one by one costs as much as the whole replay, and hardly ever is anything awaited of it.
      if (![...ownEvents.values()].some((own) => own.breaker === breaker)) return
      let read = from
      for (const message of messages) {
        const { position: next, verdict } = fold(read, message)
        onVerdict(message, verdict, read.acceptedSeq)
        read = next
      }
    },
    onMoved(breaker) {
      for (const wake of moved.get(breaker) ?? []) wake()
    },
    stop() {
      stopped = true
      for (const end of waits) end()
    },
  }

  async function propose(
    breaker: string,
    settings: BreakerSettings,
    intent: Intent,
    { jitter = true } = {},
  ): Promise<Proposed> {
    // Now, and not after the waits: a context of tracing is that of whoever calls.
    const trace = activeTrace(traceparent)
    for (let round = 1; round <= decisionsMax; round++) {
      if (jitter || round > 1) await wait(random.next() * proposalJitterMs).over
      if (!linked()) return { status: 'unlinked' }
      const { state, seq, provisional } = position(breaker)
      if (provisional) return { status: 'uncertain' }
      // A ULID takes whole milliseconds only, and 0 for a wish to look at the clock of the process.
      const wallNow = Math.floor(clock.now())
      const id = nextId(Math.max(1, wallNow))
      const situation = {
        breaker,
        fleet,
        instance,
        state,
        settings,
        id,
        chance: random.next(),
        logNow: logNow(),
        wallNow,
        traceparent: trace,
      }
      const event = decide(intent, situation)
      if (event === undefined) return { status: 'moot' }
      const sentAt = clock.monotonic()
      const outcome = await append(event, seq)
      if (outcome === 'accepted') return { status: 'accepted', event, sentAt }
      if (outcome !== 'lost') return { status: 'failed', error: outcome }
    }
    return { status: 'failed', error: unavailable(`"${breaker}" changed ${decisionsMax} times while it was asked`) }
  }

  /** Appends one event and waits for the fold, since only that says whether it was accepted. */
  async function append(event: BreakerEvent, seq: number): Promise<Appended> {
    const own = awaitFold(event)
    try {
      const data = encodeEvent(event)
      const answered = log.append({ topic: event.breaker, id: event.id, expected: seq, data })
      // What comes back through the log counts, also where the answer is late or lost.
      const answer = await Promise.race([answered, own.folded.then(() => undefined)])
      if (answer?.status === 'conflict') {
        await movedBeyond(event.breaker, seq)
        return 'lost'
      }
      const verdict = await own.folded
      if (verdict === undefined) return unavailable(`what was stored did not come back within ${proposalValidMs} ms`)
      return verdict.accepted ? 'accepted' : 'lost'
    } catch (error) {
      if (error instanceof OverCapacityError) return error
      // It may have been stored all the same; then the fold will show it.
      const verdict = await own.folded
      if (verdict !== undefined) return verdict.accepted ? 'accepted' : 'lost'
      return error instanceof UnavailableError ? error : unavailable('appending failed', error)
    } finally {
      own.stop()
    }
  }

  /** The verdict on an event of one's own; `undefined` when it does not come while the event could still count. */
  function awaitFold({ id, breaker }: BreakerEvent): { readonly folded: Promise<Verdict | undefined>; stop(): void } {
    const { over, end } = wait(proposalValidMs)
    let verdict: Verdict | undefined
    ownEvents.set(id, {
      breaker,
      sentAt: clock.monotonic(),
      resolve(of) {
        verdict = of
        end()
      },
    })
    return {
      folded: over.then(() => verdict),
      stop() {
        end()
        ownEvents.delete(id)
      },
    }
  }

  function onVerdict({ id, seq }: StoredMessage, verdict: Verdict, acceptedSeq: number): void {
    const own = ownEvents.get(id)
    if (own === undefined) return
    own.resolve(verdict)
    if (!verdict.accepted) return
    // The predecessor's author may have died before it could.
    if (acceptedSeq > 0) log.audit?.(acceptedSeq)
    log.audit?.(seq)
  }

  /** Resolves when this breaker's log was read beyond `seq`, or after a while. */
  async function movedBeyond(breaker: string, seq: number): Promise<void> {
    if (position(breaker).seq > seq) return
    const { over, end } = wait(raceWaitMs)
    const all = moved.get(breaker) ?? new Set()
    moved.set(breaker, all.add(end))
    await over
    all.delete(end)
    if (all.size === 0) moved.delete(breaker)
  }

  /** Waits that long, or until it is ended; not at all once this instance is closed. */
  function wait(delayMs: number): { readonly over: Promise<void>; readonly end: () => void } {
    let end = (): void => {}
    const over = new Promise<void>((resolve) => {
      if (stopped) return resolve()
      const timer = clock.setTimeout(() => end(), delayMs)
      end = () => {
        clock.clearTimeout(timer)
        waits.delete(end)
        resolve()
      }
      waits.add(end)
    })
    return { over, end: () => end() }
  }
}

interface OwnEvent {
  readonly breaker: string
  readonly sentAt: number
  resolve(verdict: Verdict): void
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError('event log', message, cause === undefined ? {} : { cause })
}

/** A tracer that fails is no reason to keep something from the fleet. */
function activeTrace(traceparent: ProposerOptions['traceparent']): string | undefined {
  try {
    return traceparent?.()
  } catch {
    return undefined
  }
}
