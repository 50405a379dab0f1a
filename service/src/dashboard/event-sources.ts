import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Decision, Letter, Switchgear, Transition } from 'switchgear'
import type { Settled } from '../store/record-outcomes.ts'
import type { Activity } from './activity.ts'
import { breakerView } from './breaker-view.ts'
import type { EventHub } from './event-hub.ts'
import type { TransitionView } from './page/wire.ts'

/** Transitions that are kept for the lanes of who comes later. */
const transitionsMax = 2_000

export interface EventSourcesOptions {
  readonly gear: Pick<Switchgear, 'instance' | 'transitions$' | 'breakers' | 'states'>
  readonly hub: EventHub
  readonly activity: Activity
  /** Hears what this instance alone has changed. */
  readonly onOwn: (transition: TransitionView) => void
}

/** Where events come from: the engine's own channels, and what the store has written. */
export interface EventSources {
  /** What became of messages, once it is written. */
  settled(outcomes: readonly Settled[]): void
  /** What another instance alone has changed. */
  heard(transition: TransitionView): void
  /** The last of them, the oldest first. */
  readonly transitions: readonly TransitionView[]
  stop(): void
}

export function startEventSources({ gear, hub, activity, onOwn }: EventSourcesOptions): EventSources {
  const { instance } = gear
  const transitions: TransitionView[] = []
  const changes = gear.transitions$.subscribe((transition) => {
    // The gate changes in the same turn, for some changes after they are told.
    queueMicrotask(() => onTransition(transition))
  })
  subscribe('switchgear:limit', onDecision)
  subscribe('switchgear:letter', onLetter)

  return {
    settled(outcomes) {
      for (const outcome of outcomes) {
        const told = { ...outcome, at: Date.now(), instance }
        activity.outcome(told)
        hub.publish('outcome', told)
      }
    },
    heard: publish,
    transitions,
    stop() {
      changes.unsubscribe()
      unsubscribe('switchgear:limit', onDecision)
      unsubscribe('switchgear:letter', onLetter)
    },
  }

  function onTransition(transition: Transition): void {
    const { breaker: name } = transition
    const state = gear.breakers.get(name)?.state ?? gear.states().get(name)
    const told = { ...transition, instance, ...(state === undefined ? {} : { state: breakerView(name, state) }) }
    publish(told)
    if (told.scope === 'local') onOwn(told)
  }

  function publish(transition: TransitionView): void {
    if (transitions.push(transition) > transitionsMax) transitions.shift()
    hub.publish('transition', transition)
  }

  function onDecision(message: unknown): void {
    const { key, decision } = message as { readonly key: string; readonly decision: Decision }
    const { allowed, degraded, retryAfterMs } = decision
    const limits = decision.limits.map(({ name, limit, remaining }) => ({ name, limit, remaining }))
    const told = { organization: key, allowed, degraded, retryAfterMs, limits, at: Date.now(), instance }
    activity.decision(told)
    hub.publish('decision', told)
  }

  function onLetter(message: unknown): void {
    const { id, organization, channel, errorType, messageId, createdAt } = message as Letter
    hub.publish('letter', { id, organization, channel, errorType, messageId, at: createdAt, instance })
  }
}
