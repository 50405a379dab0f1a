import type { Cache, Logger } from 'switchgear'
import type { AlertChange } from '../store/alert-store.ts'
import { allOrganizations } from './dashboards.ts'

/** The least time between two invalidations of an organization, in ms. */
const everyMsDefault = 1_000
/** What is of all organizations changes whenever anything does: so many times as long, which is as often as a page polls. */
const longerForAll = 10

export interface CacheInvalidationsOptions {
  readonly cache: Pick<Cache, 'invalidate'>
  readonly logger: Logger
  /** In ms; 1,000. */
  readonly everyMs?: number
}

/**
 * Invalidates what is cached of the organizations whose alerts change: at once, and then at most once in `everyMs` each, so
 * that after the last change there always is another. Nobody waits for it; what fails is done again by the next.
 */
export interface CacheInvalidations {
  /** New alerts change all that is cached; an outcome changes counts alone, and those of all organizations, ten times as rarely. */
  changed(organization: string, change: AlertChange): void
  /** Does what is left to do, once, and resolves when it is done or has failed. */
  stop(): Promise<void>
}

type Scope = 'all' | 'counts'

/** An organization that was invalidated of late: until the time is over, what changes is owed. */
interface Turn {
  owed: Scope | undefined
  readonly timer: NodeJS.Timeout
}

export function cacheInvalidations(options: CacheInvalidationsOptions): CacheInvalidations {
  const { cache, logger, everyMs = everyMsDefault } = options
  const turns = new Map<string, Turn>()
  const running = new Set<Promise<void>>()
  let isFailing = false
  let isStopped = false

  return {
    changed(organization, change) {
      note(organization, change === 'stored' ? 'all' : 'counts')
      if (change === 'settled') note(allOrganizations, 'counts')
    },
    async stop() {
      isStopped = true
      await Promise.all(running)
      for (const [organization, { owed, timer }] of turns) {
        clearTimeout(timer)
        if (owed !== undefined) track(invalidate(organization, owed))
      }
      turns.clear()
      await Promise.all(running)
    },
  }

  function note(organization: string, scope: Scope): void {
    if (isStopped || turns.has(organization)) owe(organization, scope)
    else run(organization, scope)
  }

  function run(organization: string, scope: Scope): void {
    begin(organization, undefined)
    track(invalidate(organization, scope))
  }

  function begin(organization: string, owed: Scope | undefined): void {
    const timer = setTimeout(
      () => {
        const turn = turns.get(organization)
        turns.delete(organization)
        if (turn?.owed !== undefined) run(organization, turn.owed)
      },
      everyMs * (organization === allOrganizations ? longerForAll : 1),
    ).unref()
    turns.set(organization, { owed, timer })
  }

  function owe(organization: string, scope: Scope): void {
    const turn = turns.get(organization)
    if (turn !== undefined) turn.owed = turn.owed === 'all' ? 'all' : scope
    else if (!isStopped) begin(organization, scope)
  }

  function track(invalidation: Promise<void>): void {
    running.add(invalidation)
    void invalidation.then(() => running.delete(invalidation))
  }

  async function invalidate(organization: string, scope: Scope): Promise<void> {
    try {
      await cache.invalidate({ organization, scope })
      if (isFailing) logger.info({}, 'the cache can be invalidated again')
      isFailing = false
    } catch (error) {
      if (!isFailing)
        logger.warn({ error, organization, scope }, 'the cache could not be invalidated: tried again soon')
      isFailing = true
      owe(organization, scope)
    }
  }
}
