import { z } from 'zod'
import { diskJournal } from '../adapters/disk/journal.ts'
import { memoryLetters } from '../adapters/memory/letters.ts'
import { count, parseOptions } from '../kernel/options.ts'
import { systemClock } from '../ports/clock.ts'
import { quietly, silentLogger } from '../ports/logger.ts'
import {
  deadLetterQueueFields,
  type DeadLetterQueueOptions,
} from '../streams/dead-letters/dead-letter-queue-options.ts'
import { type DeadLetters, deadLetterQueue } from '../streams/dead-letters/dead-letter-queue.ts'
import { journaledLetters } from '../streams/dead-letters/journaled-letters.ts'

export interface DiskDeadLettersOptions extends Omit<DeadLetterQueueOptions, 'sweepEveryMs'> {
  /** A folder of a local disk, of one process at a time; made when it is not there. */
  readonly directory: string
  /**
   * What all letters together may take, in bytes, in memory and on disk; the next one is refused. On disk they take up to
   * twice as much and 16 MiB, and while they are written anew as much again, and what comes meanwhile. Default 268,435,456.
   */
  readonly bytesMax?: number | undefined
}

export const diskDeadLettersDefaults: { readonly bytesMax: number } = Object.freeze({ bytesMax: 268_435_456 })

const { sweepEveryMs: _, ...fields } = deadLetterQueueFields
const schema: z.ZodType<DiskDeadLettersOptions> = z.strictObject({
  ...fields,
  directory: z.string().min(1),
  bytesMax: count.optional(),
})

/**
 * Dead letters of a process that has no Redis, kept in memory and on disk: what resolved outlives the process and the
 * machine. The folder is opened at the first use, which rejects with `ConfigError` while another process has it, and with
 * `UnavailableError` while it cannot be written. Expired letters are dropped when the store is next used; it has no timers.
 * @throws ConfigError
 */
export function diskDeadLetters(options: DiskDeadLettersOptions): DeadLetters {
  const {
    directory,
    bytesMax = diskDeadLettersDefaults.bytesMax,
    ...given
  } = parseOptions(schema, options, 'diskDeadLetters')
  const { clock = systemClock } = given
  const logger = quietly(given.logger ?? silentLogger)
  // Letters are bounded where they are kept; this one ends a journal that could not be written anew again and again.
  const journal = diskJournal({
    directory,
    name: 'letters',
    isShared: false,
    bytesMax: 4 * bytesMax + slackBytes,
    logger,
  })
  const store = journaledLetters({
    make: (clock, charactersMax) => memoryLetters({ clock, charactersMax }),
    journal,
    room: bytesMax,
    clock,
    logger,
  })
  return deadLetterQueue(store, { ...given, sweepEveryMs: 0 })
}

const slackBytes = 67_108_864
