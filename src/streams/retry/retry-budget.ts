import { z } from 'zod'
import { durationMs, parseOptions } from '../../kernel/options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'

export interface RetryBudgetOptions {
  /** Retries allowed for each call, as a fraction; 0 or more. Default 0.2. */
  readonly ratio?: number | undefined
  /** Retries a second that are allowed besides, for the times of few calls; 0 or more. Default 10. */
  readonly minPerSecond?: number | undefined
  /** Over how long both are counted, in ms. Default 10,000. */
  readonly windowMs?: number | undefined
}

export const retryBudgetDefaults: { readonly [K in keyof RetryBudgetOptions]-?: number } = Object.freeze({
  ratio: 0.2,
  minPerSecond: 10,
  windowMs: 10_000,
})

/** Shared by all policies that it is given to. */
export interface RetryBudget {
  /** A call begins: its first attempt, whatever becomes of it. */
  recordCall(): void
  /** Whether one more retry may be made now; if so, it is counted. */
  tryRetry(): boolean
  /** What is counted now, and how many retries were refused since the budget was made. */
  counts(): { readonly calls: number; readonly retries: number; readonly refused: number }
}

const schema: z.ZodType<RetryBudgetOptions & TimeAndChance> = z.strictObject({
  ratio: z.number().min(0).optional(),
  minPerSecond: z.number().min(0).optional(),
  windowMs: durationMs.optional(),
  ...timeAndChanceFields,
})

/** The window is counted in so many slices, and one more for the part that is just leaving it. */
const slices = 20

/**
 * Caps the share of retries in all calls, so that retries cannot turn a dependency's trouble into an outage: whenever a
 * retry is let through, the retries of the last `windowMs`, this one included, are at most
 * `ratio * calls + minPerSecond * windowMs / 1000`, with the calls of the same time. The slice that is leaving the window
 * counts for the retries and not for the calls, so the cap holds exactly and may bite a twentieth of the window early.
 * Takes the same memory whatever happens.
 * @throws ConfigError
 * @see https://twitter.github.io/finagle/guide/Clients.html#retry-budgets
 */
export function retryBudget(
  options: RetryBudgetOptions & TimeAndChance = {},
  surroundings: Pick<TimeAndChance, 'clock'> = {},
): RetryBudget {
  const checked = parseOptions(schema, options, 'retryBudget')
  const clock = surroundings.clock ?? checked.clock ?? systemClock
  const ratio = checked.ratio ?? retryBudgetDefaults.ratio
  const windowMs = checked.windowMs ?? retryBudgetDefaults.windowMs
  const minimum = ((checked.minPerSecond ?? retryBudgetDefaults.minPerSecond) * windowMs) / 1_000
  const calls = sliceRing()
  const retries = sliceRing()
  const slice = () => Math.floor((clock.monotonic() * slices) / windowMs)
  let refused = 0
  const budget: RetryBudget = {
    recordCall: () => calls.add(slice()),
    tryRetry() {
      const now = slice()
      const isAllowed = retries.sum(now, slices + 1) + 1 <= ratio * calls.sum(now, slices) + minimum
      if (isAllowed) retries.add(now)
      else refused += 1
      return isAllowed
    },
    counts() {
      const now = slice()
      return { calls: calls.sum(now, slices), retries: retries.sum(now, slices + 1), refused }
    },
  }
  optionsOf.set(budget, { ratio: checked.ratio, minPerSecond: checked.minPerSecond, windowMs: checked.windowMs })
  return budget
}

const optionsOf = new WeakMap<RetryBudget, RetryBudgetOptions>()

/** An empty budget like this one, on another clock; undefined where somebody else made it. */
export function retryBudgetLike(budget: RetryBudget, clock: Clock): RetryBudget | undefined {
  const options = optionsOf.get(budget)
  return options === undefined ? undefined : retryBudget(options, { clock })
}

/** Counts by slice, for as many of the newest slices as a window needs. */
function sliceRing(): { add(slice: number): void; sum(slice: number, newest: number): number } {
  const size = slices + 1
  const counts = new Float64Array(size)
  let last = 0
  const advanceTo = (slice: number): void => {
    for (let passed = Math.max(last + 1, slice - size + 1); passed <= slice; passed += 1) counts[passed % size] = 0
    last = Math.max(last, slice)
  }
  return {
    add(slice) {
      advanceTo(slice)
      counts[last % size] = (counts[last % size] ?? 0) + 1
    },
    sum(slice, newest) {
      advanceTo(slice)
      let sum = 0
      for (let back = 0; back < newest; back += 1) sum += counts[(last - back) % size] ?? 0
      return sum
    },
  }
}
