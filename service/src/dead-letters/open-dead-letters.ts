import { join } from 'node:path'
import { type DeadLetters, type Logger, memoryDeadLetters } from 'switchgear'
import { redisDeadLetters } from 'switchgear/redis'
import type { Settings } from '../settings.ts'

/**
 * Where letters are kept: in Redis, which all instances share, with files for those that come while it is away; or else
 * in files of this process alone.
 * @throws ConfigError
 */
export function openDeadLetters({ redisUrls, fleet, dataDir }: Settings, logger: Logger): DeadLetters {
  if (redisUrls === undefined) return memoryDeadLetters({ logger })
  const [first, ...others] = redisUrls
  const url = others.length === 0 && first !== undefined ? first : redisUrls
  return redisDeadLetters({ url, fleet, logger, spill: { directory: join(dataDir, 'spill') } })
}
