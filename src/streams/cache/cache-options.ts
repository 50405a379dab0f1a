import { z } from 'zod'
import { count, durationMs, hasMethods } from '../../kernel/options.ts'
import { type ValueCodec, typedCodec } from '../../kernel/value-codec.ts'
import { type Clock, isClock, systemClock } from '../../ports/clock.ts'
import { type Logger, quietly, silentLogger } from '../../ports/logger.ts'
import { isRandom, type Random, systemRandom } from '../../ports/random.ts'
import { type CacheKind, cacheKindsSchema, defaultCacheKinds } from './cache-kinds.ts'
import type { TwoTierOptions } from './two-tier-cache.ts'

export interface CacheOptions {
  /** Kinds beside those of the specification, or instead of them, by name. */
  readonly kinds?: Readonly<Record<string, CacheKind>> | undefined
  /** Values that this process keeps at most; 10,000. */
  readonly entriesMax?: number | undefined
  /** What they may take, in bytes; 67,108,864. A value of more than a tenth of it is not kept in process. */
  readonly bytesMax?: number | undefined
  /** How values become bytes; `node:v8`, which keeps their types. All instances of a fleet need the same. */
  readonly codec?: ValueCodec | undefined
  /** Values are served frozen, all the same one (`frozen`, the default), or each time as a copy of one's own. */
  readonly values?: 'frozen' | 'cloned' | undefined
  /** Hears when the shared tier stops answering, and what cannot be kept; silent. */
  readonly logger?: Logger | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

export const cacheDefaults: Readonly<{
  entriesMax: number
  bytesMax: number
  deadlineMs: number
  loadWaitMs: number
  values: 'frozen' | 'cloned'
}> = Object.freeze({ entriesMax: 10_000, bytesMax: 67_108_864, deadlineMs: 50, loadWaitMs: 2_000, values: 'frozen' })

/** The options as fields of a schema. */
export const cacheFields: {
  readonly [K in keyof CacheOptions]-?: z.ZodOptional<z.ZodType<NonNullable<CacheOptions[K]>>>
} = {
  kinds: cacheKindsSchema.optional(),
  entriesMax: count.optional(),
  bytesMax: count.optional(),
  codec: z
    .custom<ValueCodec>((value) => hasMethods(value, ['encode', 'decode']), 'expected encode and decode')
    .optional(),
  values: z.enum(['frozen', 'cloned']).optional(),
  logger: z.custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected a logger').optional(),
  clock: z.custom<Clock>(isClock, 'expected a clock').optional(),
  random: z.custom<Random>(isRandom, 'expected a source of chance').optional(),
}

/** What bounds the shared tier, in fields of a schema. */
export const sharedCacheFields: {
  readonly deadlineMs: z.ZodOptional<z.ZodType<number>>
  readonly loadWaitMs: z.ZodOptional<z.ZodType<number>>
} = { deadlineMs: durationMs.optional(), loadWaitMs: durationMs.optional() }

/** The options with what is not said. */
export function withCacheDefaults(
  given: CacheOptions & { readonly deadlineMs?: number | undefined; readonly loadWaitMs?: number | undefined },
): TwoTierOptions {
  return {
    kinds: new Map(Object.entries({ ...defaultCacheKinds, ...given.kinds })),
    entriesMax: given.entriesMax ?? cacheDefaults.entriesMax,
    bytesMax: given.bytesMax ?? cacheDefaults.bytesMax,
    deadlineMs: given.deadlineMs ?? cacheDefaults.deadlineMs,
    loadWaitMs: given.loadWaitMs ?? cacheDefaults.loadWaitMs,
    codec: given.codec ?? typedCodec,
    values: given.values ?? cacheDefaults.values,
    clock: given.clock ?? systemClock,
    random: given.random ?? systemRandom,
    logger: quietly(given.logger ?? silentLogger),
  }
}
