import { z } from 'zod'
import { count, hasMethods, parseOptions } from '../../kernel/options.ts'
import type { WatchedGear } from './watched-gear.ts'

export interface TelemetryOptions {
  /** The instance whose state is read at each collection; without, only what happens is counted. */
  readonly gear?: WatchedGear | undefined
  /** Retry budgets to read, by the name that they have in the metrics. */
  readonly retryBudgets?: Readonly<Record<string, ReadableBudget>> | undefined
  /** Pipelines to read, by the name that they have in the metrics. */
  readonly pipelines?: Readonly<Record<string, () => PipelineReading>> | undefined
  /** Values that one label may have before others are told as `other`, at least 1; 200. */
  readonly labelValuesMax?: number | undefined
}

/** What a `retryBudget` has counted. */
export interface ReadableBudget {
  counts(): { readonly calls: number; readonly retries: number; readonly refused: number }
}

/** Items that a pipeline has in its hands now. */
export interface PipelineReading {
  readonly inFlight: number
  readonly waiting: number
}

export const telemetryDefaults: Readonly<{ labelValuesMax: number }> = Object.freeze({ labelValuesMax: 200 })

/** Listens until it is closed; it also ends its listening when the instance that it was given closes. */
export interface Telemetry {
  /** Stops listening and takes its metrics out again. A second time does nothing. */
  close(): void
}

/** @throws ConfigError */
export function checkTelemetryOptions(options: TelemetryOptions): TelemetryOptions {
  return parseOptions(schema, options, 'telemetry')
}

const schema: z.ZodType<TelemetryOptions> = z.strictObject({
  gear: z
    .custom<WatchedGear>((value) => hasMethods(value, ['ready', 'health']), { error: 'expected an instance' })
    .optional(),
  retryBudgets: z
    .record(
      z.string(),
      z.custom<ReadableBudget>((value) => hasMethods(value, ['counts']), { error: 'expected a retry budget' }),
    )
    .optional(),
  pipelines: z
    .record(
      z.string(),
      z.custom<() => PipelineReading>((value) => typeof value === 'function', { error: 'expected a function' }),
    )
    .optional(),
  labelValuesMax: count.optional(),
})
