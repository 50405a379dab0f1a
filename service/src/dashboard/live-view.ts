import type { Logger, Switchgear } from 'switchgear'
import type { Settled } from '../store/record-outcomes.ts'
import { bucketMs, createActivity } from './activity.ts'
import { breakerView } from './breaker-view.ts'
import { createEventHub, type EventHub } from './event-hub.ts'
import { startEventSources } from './event-sources.ts'
import type { DashboardView, FleetView, Summary } from './page/wire.ts'
import { startRollCall } from './roll-call.ts'

/** Whose eyes: an organization sees its own, the operator all. */
export interface Onlooking {
  /** Absent for the operator. */
  readonly organization: string | undefined
  readonly seesBreaker: (name: string) => boolean
}

export interface LiveViewOptions {
  readonly gear: Pick<
    Switchgear,
    'fleet' | 'instance' | 'health' | 'states' | 'peers' | 'breakers' | 'transitions$' | 'cache'
  >
  readonly organizations: { keys(): Iterable<string> }
  readonly logger: Logger
}

/** What goes on, for those who watch. */
export interface LiveView {
  readonly hub: EventHub
  /** Takes down what became of messages. */
  readonly settled: (outcomes: readonly Settled[]) => void
  /** All of it, to begin with. */
  view(onlooking: Onlooking): DashboardView
  /** What changes all the time. To be asked for again and again as long as somebody watches. */
  summary(onlooking: Onlooking): Summary
  stop(): void
}

export function startLiveView({ gear, organizations, logger }: LiveViewOptions): LiveView {
  const hub = createEventHub()
  const activity = createActivity()
  const sources = startEventSources({ gear, hub, activity, onOwn: (transition) => rollCall.tell(transition) })
  const rollCall = startRollCall({ gear, logger, onTransition: sources.heard })

  return {
    hub,
    settled: sources.settled,
    view(onlooking) {
      const { organization, seesBreaker } = onlooking
      const now = Date.now()
      return {
        at: now,
        fleet: gear.fleet,
        instance: gear.instance,
        ...(organization === undefined ? {} : { organization }),
        organizations: organization === undefined ? [...organizations.keys()] : [organization],
        breakers: [...gear.states()]
          .filter(([name]) => seesBreaker(name))
          .map(([name, state]) => breakerView(name, state)),
        transitions: sources.transitions.filter(({ breaker }) => seesBreaker(breaker)),
        activity: { bucketMs, buckets: activity.since(0, organization) },
        summary: summary(onlooking, now),
      }
    },
    summary: (onlooking) => summary(onlooking, Date.now()),
    stop() {
      sources.stop()
      rollCall.leave()
    },
  }

  function summary({ organization }: Onlooking, at: number): Summary {
    rollCall.ask()
    const { hits, misses, stale, loads, hitRate, entries, bytes, tiers } = gear.cache.stats()
    return {
      at,
      buckets: activity.since(at - 2 * bucketMs, organization),
      fleet: toldTo(organization, rollCall.view()),
      cache: { hits, misses, stale, loads, hitRate, entries, bytes, tiers },
    }
  }
}

/** Which instances there are is the operator's business. */
function toldTo(organization: string | undefined, view: FleetView): FleetView {
  return organization === undefined ? view : { ...view, instances: [] }
}
