/** What a worker is told at its start. */
export interface Living {
  readonly fleet: string
  readonly instance: string
  /** How often it was started before. */
  readonly life: number
  readonly nats: string
  readonly redis: string
  readonly dependency: string
  /** The folder for letters while Redis is away; the same in every life. */
  readonly spill: string
}

/** What one of them says that it saw. Times are by the clock that all processes share, in ms. */
export type Seen =
  | { readonly what: 'call' | 'refused letter' }
  | SeenTransition
  | Decided
  | { readonly what: 'letter'; readonly id: string }
  | { readonly what: 'read'; readonly isOld: boolean }
  | Standing

export interface SeenTransition {
  readonly what: 'transition'
  readonly instance: string
  readonly breaker: string
  readonly from: string
  readonly to: string
  readonly scope: 'local' | 'fleet'
  readonly term: number
  readonly seq: number
  /** Whether calls ceased to pass, but for a probe: asked within the transition. */
  readonly refuses: boolean
}

/** A decision of the store that was made between these times. */
export interface Decided {
  readonly what: 'decision'
  readonly granted: boolean
  readonly degraded: boolean
  readonly from: number
  readonly to: number
}

export interface Standing {
  readonly what: 'standing'
  readonly link: string
  readonly divergences: number
  readonly spilled: number
  readonly states: readonly {
    readonly breaker: string
    readonly mode: string
    readonly term: number
    readonly scope: string
  }[]
}

export const breakerNames = ['smtp', 'chat'] as const
export const hotLimit = { limit: 20, windowMs: 1_000 }
