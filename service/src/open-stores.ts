import { join } from 'node:path'
import {
  ConfigError,
  type DeadLetters,
  diskDeadLetters,
  type Logger,
  memoryCache,
  type SwitchgearOptions,
} from 'switchgear'
import { redisStores } from 'switchgear/redis'
import type { Settings } from './settings.ts'

/** What the library keeps for us, beside the log of breakers. */
export type Stores = Required<Pick<SwitchgearOptions, 'deadLetters' | 'cache'>> & Pick<SwitchgearOptions, 'limiter'>

/**
 * Where letters and what is cached are kept: in Redis, which all instances share, with files for letters that come while it
 * is away; or else in files and the memory of this process alone. Nothing is waited for here.
 * @throws ConfigError
 */
export function openStores({ redisUrls, fleet, instance, dataDir }: Settings, logger: Logger): Stores {
  if (redisUrls === undefined)
    return {
      deadLetters: diskDeadLetters({ directory: join(dataDir, 'dead-letters'), logger }),
      cache: memoryCache({ logger }),
    }
  const [first, ...others] = redisUrls
  const url = others.length === 0 && first !== undefined ? first : redisUrls
  return redisStores({ url, fleet, instance, logger, spill: { directory: join(dataDir, 'spill') } })
}

/** Lets go of stores that nobody uses. */
export async function closeStores({ deadLetters, cache, limiter }: Stores): Promise<void> {
  await Promise.all([deadLetters?.close?.(), cache?.close?.(), limiter?.close?.()])
}

/**
 * Makes sure that letters on disk can be written, before anything fails that needs one. Redis may be away at the start.
 * @throws ConfigError where another process has them; UnavailableError where the disk does not take any
 */
export async function checkDeadLetters(deadLetters: DeadLetters, { redisUrls, dataDir }: Settings): Promise<void> {
  if (redisUrls !== undefined) return
  try {
    await deadLetters.stats()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const advice = 'give each process a DATA_DIR of its own, or the same REDIS_URL'
    throw new ConfigError('DATA_DIR', `${dataDir} has the dead letters of another process; ${advice}`, { cause: error })
  }
}
