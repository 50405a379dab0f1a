import { join } from 'node:path'
import { ConfigError, type DeadLetters, diskDeadLetters, type Logger } from 'switchgear'
import { redisDeadLetters } from 'switchgear/redis'
import type { Settings } from '../settings.ts'

/**
 * Where letters are kept: in Redis, which all instances share, with files for those that come while it is away; or else
 * in files of this process alone. Neither is waited for here.
 * @throws ConfigError
 */
export function openDeadLetters({ redisUrls, fleet, dataDir }: Settings, logger: Logger): DeadLetters {
  if (redisUrls === undefined) return diskDeadLetters({ directory: join(dataDir, 'dead-letters'), logger })
  const [first, ...others] = redisUrls
  const url = others.length === 0 && first !== undefined ? first : redisUrls
  return redisDeadLetters({ url, fleet, logger, spill: { directory: join(dataDir, 'spill') } })
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
