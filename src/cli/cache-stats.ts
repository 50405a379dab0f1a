import type { CommandDef } from 'citty'
import type { CacheStats } from '../index.ts'
import type { CacheReport } from '../redis.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { isGiven } from './given.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table, type Cell } from './table.ts'

/** How the instances of a fleet use their caches. */
export const stats: CommandDef = storeCommand({
  name: 'stats',
  description: 'How each instance has used the cache since it started: instances are asked, and answer for themselves',
  args: { kinds: { type: 'boolean', description: 'By kind of value, instances together' } },
  prepare(given) {
    const byKind = isGiven(given, 'kinds')
    return (stores) => showStats(stores, byKind)
  },
})

/** What this command is called, which has a cache of its own to ask with. */
const self = `switchgear-cache-stats-${process.pid}`

async function showStats(stores: Stores, byKind: boolean): Promise<ExitCode> {
  const { fleet, screen } = stores
  let withinMs = 0
  const cache = stores.open((door, options) => {
    withinMs = options.deadlineMs
    return door.redisCache({ ...options, instance: self })
  })
  const asked = await cache.fleetStats({ withinMs })
  const instances = asked.instances.filter(({ instance }) => instance !== self)
  if (screen.json) screen.printJson({ fleet, at: Date.now(), instances, silent: asked.silent })
  else if (instances.length === 0) screen.print(`no instance of fleet "${fleet}" has answered`)
  else screen.print(byKind ? kindsTable(instances) : instancesTable(instances))
  if (!screen.json && asked.silent > 0) screen.print(`\n${asked.silent} more gave no answer`)
  return instances.length > 0 ? exitCodes.fine : exitCodes.nothingThere
}

type Usage = CacheStats['kinds'][string]

const usageHeading = ['HIT RATE', 'HITS', 'STALE', 'MISSES', 'LOADS', 'FAILED', 'MS A LOAD']

function usageCells({ hits, stale, misses, loads, loadsFailed, loadMs }: Omit<Usage, 'hitRate'>): Cell[] {
  const rate = hits + misses === 0 ? '' : `${((hits / (hits + misses)) * 100).toFixed(1)} %`
  const each = loads === 0 ? '' : (loadMs / loads).toFixed(1)
  return [rate, `${hits}`, `${stale}`, `${misses}`, `${loads}`, `${loadsFailed}`, each].map((text) => ({ text }))
}

function instancesTable(instances: readonly CacheReport[]): string {
  return table(
    ['INSTANCE', ...usageHeading, 'FROM REDIS', 'UNANSWERED', 'ENTRIES', 'BYTES'],
    instances.map(({ instance, stats }) => {
      const { tiers, entries, bytes } = stats
      const here = [tiers.shared.hits, tiers.shared.unanswered, entries, bytes].map((each) => ({ text: `${each}` }))
      return [{ text: instance }, ...usageCells(stats), ...here]
    }),
  )
}

function kindsTable(instances: readonly CacheReport[]): string {
  const all = instances.flatMap(({ stats }) => Object.entries(stats.kinds))
  const names = [...new Set(all.map(([name]) => name))].toSorted()
  const sum = (name: string, field: keyof Usage): number =>
    all.reduce((total, [kind, usage]) => total + (kind === name ? usage[field] : 0), 0)
  return table(
    ['KIND', ...usageHeading],
    names.map((name) => {
      const of = (field: keyof Usage): number => sum(name, field)
      const [hits, stale, misses, loads] = [of('hits'), of('stale'), of('misses'), of('loads')]
      return [
        { text: name },
        ...usageCells({ hits, stale, misses, loads, loadsFailed: of('loadsFailed'), loadMs: of('loadMs') }),
      ]
    }),
  )
}
