import type { CommandDef } from 'citty'
import { invalidate } from './cache-invalidate.ts'
import { stats } from './cache-stats.ts'

/** What there is to do with the cache. */
export const cache: CommandDef = {
  meta: { name: 'cache', description: 'The cache: how instances use it, and what of it is no longer valid' },
  subCommands: { stats, invalidate },
}
