import { z } from 'zod'
import { memoryLetters } from '../adapters/memory/letters.ts'
import { count, parseOptions } from '../kernel/options.ts'
import {
  deadLetterQueueFields,
  type DeadLetterQueueOptions,
} from '../streams/dead-letters/dead-letter-queue-options.ts'
import { type DeadLetters, deadLetterQueue } from '../streams/dead-letters/dead-letter-queue.ts'

export interface MemoryDeadLettersOptions extends Omit<DeadLetterQueueOptions, 'sweepEveryMs'> {
  /** What all letters together may take, in characters of JSON; the next one is refused. Default 268,435,456. */
  readonly charactersMax?: number | undefined
}

const { sweepEveryMs: _, ...fields } = deadLetterQueueFields
const schema: z.ZodType<MemoryDeadLettersOptions> = z.strictObject({ ...fields, charactersMax: count.optional() })

/**
 * Dead letters in the memory of this process, gone with it: for tests, and for services that have no Redis. Expired
 * letters are dropped when the store is next used; it has no timers.
 * @throws ConfigError
 */
export function memoryDeadLetters(options: MemoryDeadLettersOptions = {}): DeadLetters {
  const { charactersMax, ...given } = parseOptions(schema, options, 'memoryDeadLetters')
  return deadLetterQueue(memoryLetters({ charactersMax, clock: given.clock }), { ...given, sweepEveryMs: 0 })
}
