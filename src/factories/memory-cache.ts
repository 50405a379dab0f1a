import { z } from 'zod'
import { parseOptions } from '../kernel/options.ts'
import { cacheFields, type CacheOptions, withCacheDefaults } from '../streams/cache/cache-options.ts'
import { type Cache, twoTierCache } from '../streams/cache/two-tier-cache.ts'

export type MemoryCacheOptions = CacheOptions

const schema: z.ZodType<MemoryCacheOptions> = z.strictObject(cacheFields)

/**
 * A cache in the memory of this process, which nobody else invalidates.
 * @throws ConfigError
 */
export function memoryCache(options: MemoryCacheOptions = {}): Cache {
  return twoTierCache(undefined, withCacheDefaults(parseOptions(schema, options, 'memoryCache')))
}
