import type { Clock, Timer } from '../../ports/clock.ts'
import { limitUsage } from '../../ports/limit-usage.ts'
import { addUses, type LimitUse, type UsageBatch, type UsageStore } from '../../ports/limit-use.ts'
import type { Decision, LimitDefinition, LimitSuggestion } from '../../ports/limiter.ts'
import type { AskedLimit } from '../../ports/limits.ts'
import type { Random } from '../../ports/random.ts'
import { suggestLimits } from '../../ports/suggest-limits.ts'

/** What is new is told to the store so long after it was recorded at most, in ms. */
const tellAfterMs = 10_000

export interface SharedUsageOptions {
  readonly limits: ReadonlyMap<string, LimitDefinition>
  /** Without one, an instance knows its own use. */
  readonly store: UsageStore | undefined
  /** Asks the store within the deadline, if it is worth asking; `undefined` when there was no answer. */
  readonly ask: <T>(question: () => Promise<T>) => Promise<T | undefined>
  readonly clock: Clock
  readonly random: Random
}

/** What limits are used for by all instances: each tells the store now and then, and no request waits for it. */
export interface SharedUsage {
  record(key: string, asked: readonly AskedLimit[], decision: Decision): void
  suggest(): Promise<readonly LimitSuggestion[]>
  /** Tells what is left to tell. */
  close(): Promise<void>
}

export function sharedUsage({ limits, store, ask, clock, random }: SharedUsageOptions): SharedUsage {
  const sinceAt = clock.now()
  const usage = limitUsage(sinceAt)
  const own = new Map<string, LimitUse>()
  let untold = new Map<string, LimitUse>()
  let batch: UsageBatch | undefined
  let telling: Promise<void> | undefined
  let timer: Timer | undefined
  let closed = false

  const collect = (): void => {
    const taken = usage.take(clock.now())
    addUses(own, taken)
    if (store !== undefined) addUses(untold, taken)
  }

  const isLeft = (): boolean => batch !== undefined || untold.size > 0

  /** A batch that may have been taken, its answer being lost, is told again as it was, before there is another. */
  const tell = async (to: UsageStore): Promise<void> => {
    if (batch !== undefined) await to.add(batch)
    batch = undefined
    collect()
    if (untold.size === 0) return
    batch = { id: newId(random), at: clock.now(), uses: [...untold.values()] }
    untold = new Map()
    await to.add(batch)
    batch = undefined
  }

  /** One after the other: what is on its way is neither told again nor read without. */
  const tellAll = async (to: UsageStore): Promise<void> => {
    if (telling !== undefined) await telling.catch(() => {})
    telling ??= tell(to).finally(() => (telling = undefined))
    await telling
  }

  const arm = (to: UsageStore): void => {
    if (timer !== undefined || closed) return
    const run = async (): Promise<void> => {
      timer = undefined
      collect()
      await ask(() => tellAll(to))
      if (isLeft()) arm(to)
    }
    timer = clock.setTimeout(() => void run(), tellAfterMs * (0.5 + random.next() / 2))
  }

  return {
    record(key, asked, decision) {
      usage.record(key, asked, decision, clock.monotonic())
      if (store !== undefined) arm(store)
    },
    async suggest() {
      const read = async (from: UsageStore): Promise<readonly LimitUse[]> => {
        await tellAll(from)
        return from.read()
      }
      const fleet = store && (await ask(() => read(store)))
      if (fleet !== undefined) return suggestLimits(fleet, { limits, scope: 'fleet', sinceAt })
      collect()
      return suggestLimits([...own.values()], { limits, scope: 'instance', sinceAt })
    },
    async close() {
      closed = true
      if (timer !== undefined) clock.clearTimeout(timer)
      collect()
      if (store !== undefined && isLeft()) await ask(() => tellAll(store))
    },
  }
}

function newId(random: Random): string {
  return Math.floor(random.next() * 2 ** 53).toString(36)
}
