import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Journal, JournalPart } from '../../ports/journal.ts'
import type { Added, LetterBounds } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { readSpilled } from './spilled-letter.ts'
import type { StoreWatch } from '../store-guards/store-watch.ts'

export interface SpillReplay {
  /** There is something to do. */
  soon(): void
  /** How many letters wait. */
  waiting(): number
  /** Ends what is under way. */
  close(): Promise<void>
}

export interface SpillReplayOptions {
  readonly add: (letter: LetterParts, bounds: LetterBounds) => Promise<Added>
  readonly journal: Journal
  readonly watch: StoreWatch
  readonly isOutage: (error: unknown) => boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** When the store is tried again, and when the journal is looked into for what others have left, in ms. */
const againMs = 500
const lookMs = 30_000
/** Letters that are under way together: at first one, to see whether the store answers, then four times as many each time. */
const together = { first: 1, growth: 4, max: 256, bytesMax: 1_048_576 }

/** Brings letters from a journal to their store: at once, whenever there are some and the store answers. */
export function spillReplay(options: SpillReplayOptions): SpillReplay {
  const { journal, watch, clock, random, logger } = options
  let timer: { readonly timer: Timer; readonly forMs: number } | undefined
  let running: Promise<void> | undefined
  let isClosed = false
  let isBroken = false
  let lookAt = -Infinity
  /** Where a part was left when the store went. */
  let place = { part: '', done: 0 }

  const arm = (forMs: number): void => {
    if (isClosed || running !== undefined || (timer !== undefined && timer.forMs <= forMs)) return
    if (timer !== undefined) clock.clearTimeout(timer.timer)
    timer = { timer: clock.setTimeout(start, forMs * (0.5 + random.next())), forMs }
  }

  const start = (): void => {
    timer = undefined
    running = run().finally(() => {
      running = undefined
      arm(journal.records > 0 || isBroken ? againMs : lookMs)
    })
  }

  const run = async (): Promise<void> => {
    try {
      await look()
      await drain()
      isBroken = false
    } catch (error) {
      if (!isBroken)
        logger.error({ err: error }, 'dead letters that wait in a journal cannot be read; it is tried again')
      isBroken = true
    }
  }

  /** It reads the folder, which is nothing to do twice a second. */
  const look = async (): Promise<void> => {
    if (clock.monotonic() < lookAt) return
    await journal.adopt()
    lookAt = clock.monotonic() + lookMs / 2
  }

  const drain = async (): Promise<void> => {
    if (journal.records === 0) return
    let replayed = 0
    for await (const part of journal.parts()) {
      const done = await replayPart(part)
      if (done === undefined) return
      replayed += done
      // Before it is dropped: rather too many are said to wait for a moment than too few.
      place = { part: '', done: 0 }
      await part.drop()
    }
    if (replayed > 0) logger.info({ letters: replayed }, 'dead letters that waited in a journal are in their store')
  }

  /** How many records were in it; `undefined` when the store went meanwhile. */
  const replayPart = async (part: JournalPart): Promise<number | undefined> => {
    if (place.part !== part.id) place = { part: part.id, done: 0 }
    let passed = 0
    let size = together.first
    for await (const records of part.batches()) {
      const rest = records.slice(Math.max(0, place.done - passed))
      passed += records.length
      for (let at = 0; at < rest.length;) {
        const some = firstOf(rest.slice(at, at + size))
        if (isClosed || !watch.mayAsk()) return undefined
        if (!(await replaySome(part, some))) return undefined
        at += some.length
        place.done += some.length
        size = Math.min(together.max, size * together.growth)
      }
    }
    return passed
  }

  /** Whether the store has all of them, or will never take them. */
  const replaySome = async (part: JournalPart, records: readonly Uint8Array[]): Promise<boolean> => {
    const results = await Promise.all(records.map((record) => replayOne(record, options)))
    const outage = results.find((result) => result.status === 'away')
    if (outage === undefined) watch.succeeded()
    else {
      watch.failed(outage.error)
      return false
    }
    for (const [index, result] of results.entries()) {
      const record = records[index]
      if (result.status !== 'refused' || record === undefined) continue
      await part.setAside(record)
      logger.error({ err: result.error, letter: result.id }, 'a dead letter was refused by its store and set aside')
    }
    return true
  }

  arm(0)
  return {
    soon: () => arm(againMs),
    waiting: () => Math.max(0, journal.records - place.done),
    async close() {
      isClosed = true
      if (timer !== undefined) clock.clearTimeout(timer.timer)
      await running
    },
  }
}

/** As many as are sent together: at least one. */
function firstOf(records: readonly Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0
  const end = records.findIndex(({ byteLength }, index) => index > 0 && (bytes += byteLength) > together.bytesMax)
  return end < 0 ? records : records.slice(0, end)
}

type Replayed =
  | { readonly status: 'done' }
  | { readonly status: 'away'; readonly error: unknown }
  | { readonly status: 'refused'; readonly error: unknown; readonly id?: string }

async function replayOne(record: Uint8Array, { add, isOutage }: SpillReplayOptions): Promise<Replayed> {
  const spilled = readSpilled(record)
  if (spilled === undefined)
    return { status: 'refused', error: new Error('it is no letter that this version can read') }
  try {
    await add(spilled.letter, spilled.bounds)
    return { status: 'done' }
  } catch (error) {
    const isRefusal = error instanceof OverCapacityError || error instanceof ConfigError || !isOutage(error)
    return isRefusal ? { status: 'refused', error, id: spilled.letter.header.id } : { status: 'away', error }
  }
}
