import type { Observable, Subscription } from 'rxjs'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import type { LetterDraft } from '../../../src/ports/dead-letters.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { type DeadLetters, deadLetterQueue } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import type { RedriveEvent } from '../../../src/streams/redrive/redrive-events.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

export interface RedriveRig {
  readonly clock: VirtualClock
  readonly store: LetterStore
  readonly queue: DeadLetters
  /** Enqueues so many letters, a second apart: `acme.0` is the oldest. */
  fill(letters: number, draft?: Partial<LetterDraft>): Promise<void>
}

/** A queue in memory on a virtual clock; `change` stands in front of its store. */
export function redriveRig(change: (store: LetterStore) => Partial<LetterStore> = () => ({})): RedriveRig {
  const clock = virtualClock({ startAt: 1_000_000 })
  const memory = memoryLetters({ clock })
  const store = { ...memory, ...change(memory) }
  const queue = deadLetterQueue(store, { clock, random: seededRandom(1), sweepEveryMs: 0 })
  const fill: RedriveRig['fill'] = async (letters, draft) => {
    for (let index = 0; index < letters; index++) {
      const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      const usual = { organization: 'acme', channel: 'email', messageId: `m${index}`, payload: { index }, error }
      await queue.enqueue({ ...usual, id: String(index), ...draft })
      await clock.advanceBy(1_000)
    }
  }
  return { clock, store, queue, fill }
}

export interface Watched {
  readonly events: RedriveEvent[]
  readonly subscription: Subscription
  /** How it ended. */
  readonly ended: Promise<'completed'>
  state: 'running' | 'completed' | { readonly error: unknown }
}

export function watch(events$: Observable<RedriveEvent>): Watched {
  const events: RedriveEvent[] = []
  let end: (how: Watched['state']) => void = () => {}
  const ended = new Promise<'completed'>((resolve, reject) => {
    end = (how) => {
      watched.state = how
      if (typeof how === 'string') resolve('completed')
      else reject(how.error)
    }
  })
  ended.catch(() => {})
  const watched: Watched = {
    events,
    ended,
    state: 'running',
    get subscription() {
      return subscription
    },
  }
  const subscription = events$.subscribe({
    next: (event) => events.push(event),
    error: (error: unknown) => end({ error }),
    complete: () => end('completed'),
  })
  return watched
}

/** `letterId: status` of each event about a letter. */
export function outcomes(events: readonly RedriveEvent[]): readonly string[] {
  return events.map((event) => ('letterId' in event ? `${event.letterId}: ${event.status}` : event.status))
}
