import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClassifiedError } from '../../kernel/classify.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Decision } from '../../ports/limiter.ts'
import type { ToldTransition } from './watched-gear.ts'

/** What the engine tells on `node:diagnostics_channel`, by the channel's last word. */
export interface EngineNews {
  readonly call: { readonly breaker: string | undefined; readonly outcome: Outcome<unknown> }
  readonly transition: ToldTransition
  readonly retry: { readonly attempt: number; readonly error: ClassifiedError; readonly delayMs: number }
  readonly limit: { readonly key: string; readonly decision: Decision }
  readonly letter: { readonly channel: string; readonly errorType: string }
  readonly cache: {
    readonly address: { readonly kind: string }
    readonly found: 'local' | 'shared' | 'miss'
    readonly isStale: boolean
  }
}

export type EngineListeners = { readonly [K in keyof EngineNews]?: (news: EngineNews[K]) => void }

/** Listens to what every instance in this process tells. Gives how to stop, which does nothing a second time. */
export function listenToEngine(listeners: EngineListeners): () => void {
  const heard = Object.entries(listeners).map(([name, listener]) => {
    const channel = `switchgear:${name}`
    const onMessage = (message: unknown): void => (listener as (news: unknown) => void)(message)
    subscribe(channel, onMessage)
    return { channel, onMessage }
  })
  return () => {
    for (const { channel, onMessage } of heard) unsubscribe(channel, onMessage)
  }
}
