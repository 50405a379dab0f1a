import type {
  CacheFollower,
  CacheNews,
  CachePlace,
  CacheScope,
  Fence,
  Found,
  LoadLease,
  SharedCache,
  SharedValue,
} from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'

interface Kept {
  readonly fence: Fence
  readonly body: Buffer
  readonly freshUntil: number
  readonly staleUntil: number
}

interface Lease {
  readonly by: string
  readonly fence: Fence
  readonly until: number
}

/** Values that are kept at most; then those that were kept first are dropped. */
const entriesMax = 10_000

/**
 * A shared tier in the memory of this process, for caches that share it without a server: those of a simulated fleet.
 * Whoever follows hears of a change before the next turn of the event loop, and not from within a call.
 */
export function memorySharedCache({ clock }: { readonly clock: Clock }): SharedCache {
  const entries = new Map<string, Kept>()
  const leases = new Map<string, Lease>()
  const tokens = new Map<string, string>()
  let made = 0
  const followers = new Set<CacheFollower>()

  const tokenOf = (organization: string, scope: CacheScope): string => {
    const at = JSON.stringify([organization, scope])
    const token = tokens.get(at) ?? `${(made += 1)};`
    tokens.set(at, token)
    return token
  }
  const fenceOf = ({ organization, scope }: CachePlace): Fence =>
    tokenOf(organization, 'all') + tokenOf(organization, scope)
  const tell = (news: CacheNews): void => {
    for (const follower of followers)
      queueMicrotask(() => {
        if (followers.has(follower)) follower.onNews(news)
      })
  }
  const keepEntry = (at: string, entry: Kept): void => {
    entries.delete(at)
    entries.set(at, entry)
    for (const oldest of entries.keys()) {
      if (entries.size <= entriesMax) break
      entries.delete(oldest)
    }
  }
  const validAt = (at: string, fence: Fence): Kept | undefined => {
    const entry = entries.get(at)
    if (entry !== undefined && entry.fence === fence && clock.monotonic() < entry.staleUntil) return entry
    entries.delete(at)
    return undefined
  }
  const leaseAt = (at: string, fence: Fence): Lease | undefined => {
    const lease = leases.get(at)
    if (lease !== undefined && lease.fence === fence && clock.monotonic() < lease.until) return lease
    leases.delete(at)
    return undefined
  }

  const lead = (at: string, fence: Fence, { by, leaseMs }: LoadLease, stale: SharedValue | undefined): Found => {
    const lease = leaseAt(at, fence)
    if (lease !== undefined && lease.by !== by) return { status: 'wait', stale }
    leases.set(at, { by, fence, until: clock.monotonic() + leaseMs })
    return { status: 'lead', fence, stale }
  }

  return {
    async find(place, lease) {
      const [at, fence] = [atOf(place), fenceOf(place)]
      const entry = validAt(at, fence)
      const freshForMs = Math.max(0, (entry?.freshUntil ?? 0) - clock.monotonic())
      const value = entry && { body: entry.body, freshForMs }
      if (value !== undefined && freshForMs > 0) return { status: 'hit', value }
      return lease === undefined ? { status: 'miss' } : lead(at, fence, lease, value)
    },
    async keep(place, kept) {
      const [at, fence] = [atOf(place), fenceOf(place)]
      const { body, ttlMs, staleMs } = kept
      const freshUntil = clock.monotonic() + ttlMs
      if ('load' in kept && (leaseAt(at, fence)?.by !== kept.load.by || kept.load.fence !== fence)) return false
      leases.delete(at)
      keepEntry(at, { fence, body, freshUntil, staleUntil: freshUntil + staleMs })
      const { organization, kind, key } = place
      if ('id' in kept) tell({ id: kept.id, organization, kind, key })
      return true
    },
    async renew(place, { by, leaseMs }) {
      const [at, fence] = [atOf(place), fenceOf(place)]
      if (leaseAt(at, fence)?.by === by) leases.set(at, { by, fence, until: clock.monotonic() + leaseMs })
    },
    async remove(place, id) {
      const { organization, kind, key } = place
      entries.delete(atOf(place))
      leases.delete(atOf(place))
      tell({ id, organization, kind, key })
    },
    async invalidate(news) {
      tokens.delete(JSON.stringify([news.organization, news.scope]))
      tell(news)
    },
    follow(follower) {
      followers.add(follower)
      queueMicrotask(() => {
        if (followers.has(follower)) follower.onLink(true)
      })
      return () => void followers.delete(follower)
    },
  }
}

function atOf({ organization, kind, key }: CachePlace): string {
  return JSON.stringify([organization, kind, key])
}
