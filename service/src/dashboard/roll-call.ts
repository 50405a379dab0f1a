import type { Logger, Switchgear } from 'switchgear'
import { fleetView, type HeardInstance } from './fleet-view.ts'
import type { FleetView, TransitionView } from './page/wire.ts'
import { answerOf, answerText, type RollCallAnswer, transitionOf } from './roll-call-answer.ts'

/** The channel among the instances of a fleet. */
const channel = 'instances'
/** How often is asked while somebody watches, in ms: rarer with many instances, since each answer reaches all of them. */
export const askEveryMs = 2_000
const askEveryMsForEach = 20
/** How often an instance answers at most, whoever asks, and over how long the answers are spread, in ms. */
const answerEveryMs = 1_000
const spreadMs = 500
/** Instances that are kept in mind, and how long one that is silent is, in ms. */
const instancesMax = 2_000
const forgetMs = 600_000

export interface RollCallOptions {
  readonly gear: Pick<Switchgear, 'instance' | 'health' | 'states' | 'peers'>
  readonly logger: Logger
  /** Hears what another instance alone has changed. */
  readonly onTransition: (transition: TransitionView) => void
}

/**
 * Who is there, and how far each has read the log. Instances answer when one asks, and one asks only while somebody
 * watches: a fleet that nobody looks at says nothing.
 */
export interface RollCall {
  /** Asks, unless that was done lately. To be called again and again as long as somebody watches. */
  ask(): void
  view(): FleetView
  /** Tells the others what this instance alone has changed, if one of them has asked lately. */
  tell(transition: TransitionView): void
  /** Tells the others that this instance leaves, so that nobody misses it. */
  leave(): void
}

export function startRollCall({ gear, logger, onTransition }: RollCallOptions): RollCall {
  const startedAt = Date.now()
  const heard = new Map<string, HeardInstance>()
  let askedAt = -Infinity
  let answering: NodeJS.Timeout | undefined
  let answeredAt = -Infinity
  let wasAskedAt = -Infinity
  /** How far the fleet had read when this instance asked: an answer that says less lags. */
  let seqAsked = 0
  const stop = gear.peers.listen(channel, hear)

  return {
    ask() {
      const everyMs = askEvery()
      if (performance.now() - askedAt < everyMs) return
      askedAt = performance.now()
      forget()
      seqAsked = Math.max(gear.health().log.seq, ...[...heard.values()].map(({ seq }) => seq))
      broadcast({ ask: gear.instance })
    },
    view: () => fleetView([own(), ...heard.values()], { own: gear.instance, now: Date.now(), silentMs: silentMs() }),
    tell({ state: _state, reason, ...transition }) {
      if (performance.now() - wasAskedAt < silentMs())
        broadcast({ transition: { ...transition, reason: reason.slice(0, 1_000) } })
    },
    leave() {
      stop()
      clearTimeout(answering)
      broadcast({ left: gear.instance })
    },
  }

  function askEvery(): number {
    return Math.max(askEveryMs, heard.size * askEveryMsForEach)
  }

  /** Three questions without an answer. */
  function silentMs(): number {
    return 3 * askEvery() + spreadMs
  }

  function hear(data: Uint8Array): void {
    const message = messageOf(data)
    if (typeof message['ask'] === 'string') {
      wasAskedAt = performance.now()
      answerSoon()
    }
    const transition = transitionOf(message)
    if (transition !== undefined) onTransition(transition)
    if (typeof message['left'] === 'string') heard.delete(message['left'])
    const answer = answerOf(message)
    if (answer === undefined || answer.instance === gear.instance) return
    if (!heard.has(answer.instance) && heard.size >= instancesMax) return
    heard.set(answer.instance, noted(answer))
  }

  /** Not all in the same moment, and once for several who ask. */
  function answerSoon(): void {
    if (answering !== undefined) return
    const waitMs = Math.max(0, answeredAt + answerEveryMs - performance.now())
    const spread = heard.size < 20 ? 0 : Math.random() * spreadMs
    answering = setTimeout(() => {
      answering = undefined
      answeredAt = performance.now()
      broadcast(answerText(own()))
    }, waitMs + spread).unref()
  }

  function own(): HeardInstance {
    const { link, log } = gear.health()
    const answer: RollCallAnswer = {
      instance: gear.instance,
      startedAt,
      isLinked: link === 'linked',
      seq: log.seq,
      digest: log.digest,
      own: [...gear.states()]
        .filter(([, { scope, mode }]) => scope === 'local' && mode !== 'closed')
        .map(([breaker, { mode, reason }]) => ({ breaker, mode, reason }))
        .slice(0, 16),
    }
    return noted(answer)
  }

  function noted(answer: RollCallAnswer): HeardInstance {
    return { ...answer, heardAt: Date.now(), isBehind: answer.seq < seqAsked }
  }

  function broadcast(message: object): void {
    try {
      gear.peers.broadcast(channel, new TextEncoder().encode(JSON.stringify({ v: 1, ...message })))
    } catch (error) {
      logger.warn({ error }, 'the other instances could not be told')
    }
  }

  function forget(): void {
    for (const [instance, { heardAt }] of heard) if (Date.now() - heardAt > forgetMs) heard.delete(instance)
  }
}

function messageOf(data: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data))
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}
