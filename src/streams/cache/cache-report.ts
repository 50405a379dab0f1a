import { z } from 'zod'
import type { CacheStats } from './cache-stats.ts'

/** How one instance uses a cache. */
export interface CacheReport {
  readonly instance: string
  readonly stats: CacheStats
}

/** What an instance says of itself when it is asked, as JSON. Readers ignore what they do not know. */
export function cacheReport(instance: string, stats: CacheStats): string {
  return JSON.stringify({ v: 1, instance, stats })
}

/** `undefined` for what cannot be read. */
export function cacheReportOf(text: string): CacheReport | undefined {
  try {
    return reportSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

const number = z.number()
const usage = {
  hits: number,
  misses: number,
  stale: number,
  loads: number,
  loadsFailed: number,
  loadMs: number,
  hitRate: number,
}
const tier = z.object({ hits: number, misses: number, unanswered: number })
const reportSchema: z.ZodType<CacheReport> = z.object({
  instance: z.string(),
  stats: z.object({
    ...usage,
    entries: number,
    bytes: number,
    tiers: z.object({ local: tier, shared: tier }),
    kinds: z.record(z.string(), z.object(usage)),
  }),
})
