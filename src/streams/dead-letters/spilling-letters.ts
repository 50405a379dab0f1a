import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Journal } from '../../ports/journal.ts'
import type { Added, LetterBounds, LetterStore } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { sharedDeadline } from '../store-guards/shared-deadline.ts'
import { spillReplay } from './spill-replay.ts'
import { writeSpilled } from './spilled-letter.ts'
import { storeWatch } from '../store-guards/store-watch.ts'

export interface SpillingOptions {
  /** How long the store may take to add a letter, in ms. */
  readonly deadlineMs: number
  readonly clock: Clock
  readonly random: Random
  /** Hears of letters that the store refuses for good, of outages, and of a journal that does not work. */
  readonly logger: Logger
  /**
   * Whether an error of the store says that it can serve nobody; one about a letter is no reason to leave it alone, and
   * sets that letter aside when it is replayed. Default: every error does.
   */
  readonly isOutage?: ((error: unknown) => boolean) | undefined
}

/**
 * A store of letters whose `add` does without the store while that cannot be asked: then the letter goes to the journal,
 * and from there to the store, oldest first, as soon as that answers, also when another process has left it there. Nobody
 * waits for a store that did not answer three times in a row. Letters that wait are in no listing and no count; `spilled`
 * says how many they are.
 *
 * Adding is idempotent, so a letter is replayed as often as it takes. What the store refuses for good (`OverCapacityError`)
 * is set aside in the journal and told of, never dropped. `add` rejects when neither takes the letter: with the journal's
 * `OverCapacityError` or `UnavailableError`. `close` writes what is under way, and leaves what waits to the next process.
 */
export function spillingLetters(store: LetterStore, journal: Journal, options: SpillingOptions): LetterStore {
  const { deadlineMs, clock, random, logger, isOutage = () => true } = options
  const watch = storeWatch({ name: 'the store of dead letters', clock, random, logger })
  const inTime = sharedDeadline(clock, deadlineMs, 'the store of dead letters')
  const addInTime = (letter: LetterParts, bounds: LetterBounds): Promise<Added> =>
    inTime(() => store.add(letter, bounds))
  const replay = spillReplay({ add: addInTime, journal, watch, isOutage, clock, random, logger })

  /** What the store says; `undefined` when it cannot be asked. @throws OverCapacityError, ConfigError */
  const offer = async (letter: LetterParts, bounds: LetterBounds): Promise<Added | undefined> => {
    if (!watch.mayAsk()) return undefined
    try {
      const answer = await addInTime(letter, bounds)
      watch.succeeded()
      return answer
    } catch (error) {
      const isRefusal = error instanceof OverCapacityError || error instanceof ConfigError
      if (isRefusal || !isOutage(error)) watch.succeeded()
      else watch.failed(error)
      if (isRefusal) throw error
      return undefined
    }
  }

  return {
    async add(letter, bounds) {
      const answer = await offer(letter, bounds)
      if (answer !== undefined) return answer
      await journal.append(writeSpilled({ letter, bounds }))
      replay.soon()
      return { status: 'added', letter }
    },
    get: (id) => store.get(id),
    page: (filter, how) => store.page(filter, how),
    count: (filter, cursor) => store.count(filter, cursor),
    rows: (filter, cursor) => store.rows(filter, cursor),
    replace: (letter, version) => store.replace(letter, version),
    remove: (ids) => store.remove(ids),
    sweep: (before) => store.sweep(before),
    spilled: () => replay.waiting(),
    jobs: store.jobs,
    async close() {
      await replay.close()
      try {
        await journal.close()
      } finally {
        await store.close?.()
      }
    },
  }
}
