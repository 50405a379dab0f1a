import { memoryLetters } from '../../adapters/memory/letters.ts'
import type { Clock } from '../../ports/clock.ts'
import type { LetterDraft } from '../../ports/dead-letters.ts'
import type { Journal } from '../../ports/journal.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { DeadLetterQueueOptions } from '../../streams/dead-letters/dead-letter-queue-options.ts'
import { type DeadLetters, deadLetterQueue } from '../../streams/dead-letters/dead-letter-queue.ts'
import { type SpillingOptions, spillingLetters } from '../../streams/dead-letters/spilling-letters.ts'
import { seededRandom } from '../seeded-random.ts'

/** What the laws of dead letters are tried on. */
export interface DeadLettersSubject {
  /** A store that is empty, and keeps what is in it whatever becomes of the processes that use it. */
  readonly letters: (clock: Clock) => LetterStore
  /** A process' queue over it. */
  readonly queue: (store: LetterStore, options: DeadLetterQueueOptions) => DeadLetters
  /** What keeps letters beside a store that is away. */
  readonly spill: (store: LetterStore, journal: Journal, options: SpillingOptions) => LetterStore
}

export const inMemory: DeadLettersSubject = Object.freeze({
  letters: (clock: Clock) => memoryLetters({ clock }),
  queue: deadLetterQueue,
  spill: spillingLetters,
})

/** A queue of one process over a store that all have. */
export function queueOver(
  { queue }: DeadLettersSubject,
  store: LetterStore,
  { clock, seed, ...options }: { readonly clock: Clock; readonly seed: number } & DeadLetterQueueOptions,
): DeadLetters {
  return queue(store, { clock, random: seededRandom(seed), sweepEveryMs: 0, ...options })
}

/** One for all: to read the stack of an error is most of what it costs to write a letter. */
const down = new Error('down')

export function draftOf(n: number, changes: Partial<LetterDraft> = {}): LetterDraft {
  const messageId = `m${n}`
  return {
    organization: 'acme',
    channel: 'email',
    messageId,
    payload: n,
    error: down,
    id: `${n}`,
    ...changes,
  }
}

/** A store behind something that every call passes. */
export function behind(store: LetterStore, gate: <T>(call: () => Promise<T>) => Promise<T>): LetterStore {
  const { jobs } = store
  return {
    add: (...given) => gate(() => store.add(...given)),
    get: (...given) => gate(() => store.get(...given)),
    page: (...given) => gate(() => store.page(...given)),
    count: (...given) => gate(() => store.count(...given)),
    rows: (...given) => gate(() => store.rows(...given)),
    replace: (...given) => gate(() => store.replace(...given)),
    remove: (...given) => gate(() => store.remove(...given)),
    sweep: (...given) => store.sweep(...given),
    jobs: {
      start: (...given) => gate(() => jobs.start(...given)),
      get: (...given) => gate(() => jobs.get(...given)),
      list: (...given) => gate(() => jobs.list(...given)),
      feed: (...given) => gate(() => jobs.feed(...given)),
      take: (...given) => gate(() => jobs.take(...given)),
      renew: (...given) => gate(() => jobs.renew(...given)),
      settle: (...given) => gate(() => jobs.settle(...given)),
      giveBack: (...given) => gate(() => jobs.giveBack(...given)),
      pause: (...given) => gate(() => jobs.pause(...given)),
      cancel: (...given) => gate(() => jobs.cancel(...given)),
    },
  }
}

/** When a process is killed: at which of its calls of the store, and whether that is still done. */
export interface Death {
  readonly atCall: number
  readonly isDone: boolean
}

export interface Process {
  readonly store: LetterStore
  /** Resolves when it is killed. */
  readonly died: Promise<'died'>
  readonly isAlive: () => boolean
  /** Settles as the work does while the process lives, and never afterwards. */
  live<T>(work: () => Promise<T>): Promise<T>
}

/** A process whose every step may be its last: nothing that it waits for then ever comes. */
export function processOf(store: LetterStore, death: Death | undefined): Process {
  let alive = true
  let calls = 0
  let die: () => void = () => {}
  const died = new Promise<'died'>((resolve) => {
    die = () => {
      alive = false
      resolve('died')
    }
  })
  const never = <T>(): Promise<T> => new Promise<T>(() => {})
  const live = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!alive) return never()
    const value = await work()
    return alive ? value : never()
  }
  const gate = async <T>(call: () => Promise<T>): Promise<T> => {
    calls += 1
    if (!alive) return never()
    if (calls - 1 !== death?.atCall) return live(call)
    if (death.isDone) await call()
    die()
    return never()
  }
  return { store: behind(store, gate), died, isAlive: () => alive, live }
}
