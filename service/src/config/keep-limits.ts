import type { LimitDefinition, Limiter, Logger } from 'switchgear'
import { type Regular, regularly } from '../delivery/regularly.ts'
import type { Organizations } from './organizations.ts'
import type { LimitName, LimitsConfig } from './schema.ts'

/** How often is tried what could not be said, in ms, and how often what was said is said again. */
const lookMs = 1_000
const againMs = 3_600_000

export interface KeepLimitsOptions {
  readonly organizations: Organizations
  readonly limiter: Pick<Limiter, 'override'>
  readonly logger: Logger
}

/**
 * Tells the limiter which limits organizations have of their own. At the start also which they have not: what the file does
 * not name any more ends. Then again every hour, since a store may forget; one that is away is told when it is back.
 */
export function keepLimits({ organizations, limiter, logger }: KeepLimitsOptions): Regular {
  let isStart = true
  let dueAt = 0
  return regularly(lookMs, 'the limits of organizations could not be set', keep, logger)

  async function keep(): Promise<void> {
    if (performance.now() < dueAt) return
    for (const { name, limits } of organizations.values()) {
      const overrides = isStart ? { ...noneOfItsOwn, ...ownOf(limits) } : ownOf(limits)
      if (Object.keys(overrides).length > 0) await limiter.override(name, overrides)
    }
    isStart = false
    dueAt = performance.now() + againMs
  }
}

const noneOfItsOwn: Readonly<Record<LimitName, null>> = { alerts: null, email: null, slack: null, webhook: null }

function ownOf(limits: LimitsConfig): Readonly<Record<string, LimitDefinition>> {
  return Object.fromEntries(
    Object.entries(limits).flatMap(([name, definition]) => (definition === undefined ? [] : [[name, definition]])),
  )
}
