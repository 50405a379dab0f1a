import { memoryWindows } from '../../../src/adapters/memory/limiter.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import type { Limiter, LimitStore } from '../../../src/ports/limiter.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { guardedLimiter, type GuardOptions } from '../../../src/streams/limiter/guarded-limiter.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

export const limits = { email: { limit: 1, windowMs: 60_000 } }

const gone = (): Promise<never> => Promise.reject(new UnavailableError('Redis', 'it is gone'))
export const goneStore: LimitStore = { check: gone, peek: gone, refund: gone, reset: gone, override: gone }

/** It has room for one key while it limits by itself. */
export function limiterOver(store: LimitStore, options: Partial<GuardOptions> = {}): Limiter {
  const { clock = virtualClock() } = options
  return guardedLimiter(store, {
    limits: checkLimits(limits),
    deadlineMs: 100,
    onUnavailable: 'local',
    local: memoryWindows({ limits, keysMax: 1, clock }),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    ...options,
  })
}
