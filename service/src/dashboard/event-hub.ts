import { randomBytes } from 'node:crypto'
import type { DecisionView, LetterEventView, OutcomeView, TransitionView } from './page/wire.ts'

/** What happens, by kind. */
export interface EventKinds {
  readonly transition: TransitionView
  readonly outcome: OutcomeView
  readonly decision: DecisionView
  readonly letter: LetterEventView
}

export type EventKind = keyof EventKinds

export const eventKinds: readonly EventKind[] = Object.freeze(['transition', 'outcome', 'decision', 'letter'] as const)

/** Something that happened, numbered. */
export interface ServiceEvent {
  /** `<this process>-<number>`: where a client goes on from. */
  readonly id: string
  readonly kind: EventKind
  /** Whose it is; for a transition, the breaker's name. */
  readonly subject: string
  /** As JSON, made when the first client asks for it. */
  readonly text: string
}

/** Events that are kept for clients that come back. */
const keptMax = 2_000

/** Tells what happens to whoever listens, and to those who come back a little later what they have missed. */
export interface EventHub {
  publish<Kind extends EventKind>(kind: Kind, event: EventKinds[Kind]): void
  /** Returns how to stop. */
  listen(hear: (event: ServiceEvent) => void): () => void
  /** What came after an id; `undefined` when that is not known any more, or is of another process. */
  after(id: string): readonly ServiceEvent[] | undefined
  /** The last one's id. */
  readonly lastId: string
}

export function createEventHub(): EventHub {
  const process = randomBytes(6).toString('hex')
  const listeners = new Set<(event: ServiceEvent) => void>()
  const kept: ServiceEvent[] = []
  let count = 0

  return {
    publish(kind, event) {
      count += 1
      const told = eventOf(`${process}-${count}`, kind, event)
      kept.push(told)
      // Not each time: moving all of them for each event would cost more than the events.
      if (kept.length >= 2 * keptMax) kept.splice(0, keptMax)
      for (const hear of listeners) hear(told)
    },
    listen(hear) {
      const own = (event: ServiceEvent): void => hear(event)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    after(id) {
      const [, of, number] = /^([0-9a-f]+)-(\d{1,15})$/.exec(id) ?? []
      const missed = count - Number(number)
      if (of !== process || missed < 0 || missed > kept.length) return undefined
      return missed === 0 ? [] : kept.slice(-missed)
    },
    get lastId() {
      return `${process}-${count}`
    },
  }
}

function eventOf<Kind extends EventKind>(id: string, kind: Kind, event: EventKinds[Kind]): ServiceEvent {
  let text: string | undefined
  const subject = 'breaker' in event ? event.breaker : event.organization
  return {
    id,
    kind,
    subject,
    get text() {
      return (text ??= JSON.stringify(event))
    },
  }
}
