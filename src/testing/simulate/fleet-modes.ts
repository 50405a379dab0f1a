import type { Mode } from '../../machines/fleet-state.ts'
import type { Dependency } from './dependency.ts'
import type { Site } from './simulated-fleet.ts'
import type { TraceHash } from './trace-hash.ts'

/** How an instance stands for its calls; `down` where its process has ended, `paused` where it stands still. */
export type Standing = Mode | 'down' | 'paused'

export const standings: readonly Standing[] = Object.freeze([
  'closed',
  'disabled',
  'halfOpen',
  'open',
  'forcedOpen',
  'down',
  'paused',
])

export interface ModeChange {
  readonly atMs: number
  readonly place: number
  readonly to: Standing
}

/** How the instances stand, as it changes. */
export interface FleetModes {
  /** As long as there is room: the first 200,000. */
  readonly changes: readonly ModeChange[]
  /** When the last of those who meet the trouble had come to refuse calls, in ms. */
  readonly detectedAt: number | undefined
  /** When all of them let calls through again, after the trouble, in ms. */
  readonly recoveredAt: number | undefined
  changed(place: number): void
  /** Looks at those that have changed. */
  onTick(tick: number): void
}

const changesMax = 200_000

export function fleetModes(
  sites: readonly Site[],
  dependency: Dependency,
  fromMs: number,
  hash: TraceHash,
): FleetModes {
  const now = new Uint8Array(sites.length)
  const dirty: number[] = []
  const isDirty = new Uint8Array(sites.length)
  const changes: ModeChange[] = []
  const counts = { admitting: sites.length, refusing: 0, affectedAdmitting: 0 }
  for (let place = 0; place < sites.length; place++) if (dependency.affects(place)) counts.affectedAdmitting++
  let detectedAt: number | undefined
  let recoveredAt: number | undefined

  function count(place: number, code: number, by: 1 | -1): void {
    if (code <= admitting) counts.admitting += by
    if (code <= admitting && dependency.affects(place)) counts.affectedAdmitting += by
    if (code > admitting && code <= refusing) counts.refusing += by
  }

  return {
    changes,
    get detectedAt() {
      return detectedAt
    },
    get recoveredAt() {
      return recoveredAt
    },
    changed(place) {
      if (isDirty[place] === 1) return
      isDirty[place] = 1
      dirty.push(place)
    },
    onTick(tick) {
      for (const place of dirty) {
        isDirty[place] = 0
        const to = standingOf(sites[place])
        const code = standings.indexOf(to)
        const before = now[place] ?? 0
        if (code === before) continue
        now[place] = code
        count(place, before, -1)
        count(place, code, 1)
        hash.add((tick << 10) ^ place ^ (code << 28))
        if (changes.length < changesMax) changes.push({ atMs: tick, place, to })
      }
      dirty.length = 0
      if (detectedAt === undefined && tick >= fromMs && counts.affectedAdmitting === 0 && counts.refusing > 0)
        detectedAt = tick
      if (recoveredAt === undefined && tick >= dependency.wellFrom && counts.refusing === 0) recoveredAt = tick
    },
  }
}

/** The last of the standings that let calls through, and of those that refuse them. */
const admitting = standings.indexOf('disabled')
const refusing = standings.indexOf('forcedOpen')

function standingOf(site: Site | undefined): Standing {
  if (site === undefined || !site.up) return 'down'
  return site.pausedUntil === undefined ? site.breaker.state.mode : 'paused'
}
