import { z } from 'zod'
import { count, durationMsMax, hasMethods } from '../../kernel/options.ts'
import type { Logger } from '../../ports/logger.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'

/** What every queue of dead letters can be told, whatever keeps them. */
export interface DeadLetterQueueOptions extends TimeAndChance {
  /** Letters an organization may have; the next one is refused. Default 1,000,000. */
  readonly lettersMax?: number | undefined
  /** The largest payload, in bytes. Default 1,048,576. */
  readonly bodyBytesMax?: number | undefined
  /** Letters older than this are dropped. Above 0, at most 36,500; default 30. */
  readonly retentionDays?: number | undefined
  /** A letter that was redriven so often without success is parked. Default 5. */
  readonly maxRedrives?: number | undefined
  /**
   * How often letters older than that are looked for, in ms, by a timer that ends with `close` and does not keep the process
   * alive. 0: there is no timer, and they are dropped before each use, as suits a store in memory. Default 60,000.
   */
  readonly sweepEveryMs?: number | undefined
  /** Hears of sweeps that failed. Default: silent. */
  readonly logger?: Logger | undefined
}

/** A hundred years; the command line has the same. */
const retentionDaysMax = 36_500

export const deadLetterQueueDefaults: {
  readonly lettersMax: number
  readonly bodyBytesMax: number
  readonly retentionDays: number
  readonly maxRedrives: number
  readonly sweepEveryMs: number
} = Object.freeze({
  lettersMax: 1_000_000,
  bodyBytesMax: 1_048_576,
  retentionDays: 30,
  maxRedrives: 5,
  sweepEveryMs: 60_000,
})

/** The options as fields of a schema, for factories that have more of their own. */
export const deadLetterQueueFields: {
  readonly [K in keyof DeadLetterQueueOptions]-?: z.ZodOptional<z.ZodType<NonNullable<DeadLetterQueueOptions[K]>>>
} = {
  ...timeAndChanceFields,
  lettersMax: count.optional(),
  bodyBytesMax: count.optional(),
  retentionDays: z.number().positive().max(retentionDaysMax).optional(),
  maxRedrives: count.optional(),
  sweepEveryMs: z.number().nonnegative().max(durationMsMax).optional(),
  logger: z
    .custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected a logger: { info, warn, error }')
    .optional(),
}

export const deadLetterQueueSchema: z.ZodType<DeadLetterQueueOptions> = z.strictObject(deadLetterQueueFields)
