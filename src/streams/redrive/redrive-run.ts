import type { Observable } from 'rxjs'
import type { Clock } from '../../ports/clock.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import type { RedriveEvent } from './redrive-events.ts'
import { type Patience, patience } from './redrive-patience.ts'
import type { Places } from './redrive-places.ts'
import type { SendPlan } from './redrive-send.ts'

export interface WorkerParts {
  readonly store: LetterStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface WorkerPlan extends SendPlan {
  /** Names this worker. */
  readonly by: string
  /** Letters in its hands at the same time. */
  readonly concurrency: number
  /** Emits when the work is called off, at once if it was. */
  readonly calledOff$: Observable<unknown>
  /** What it shares with workers of other jobs. */
  readonly places: Places
  /** In how many ms the next letter may be sent, where several jobs share a rate; each asking takes a slot. */
  readonly slotInMs: () => number
}

/** A letter in this worker's hands. */
export interface RedriveTurn {
  /** The name of the turn. */
  readonly name: string
  readonly letter: LetterParts
  /** Monotonic: when it may be sent. */
  readonly dueAt: number
  /** Calls it off. */
  readonly off: AbortController
  /** Whether the sending has begun. */
  sending: boolean
  /** Somebody else may have the letter now: whatever comes of it counts no more. */
  lost: boolean
}

/** One worker at work on one job. */
export interface RedriveRun extends WorkerParts {
  readonly jobId: string
  readonly plan: WorkerPlan
  readonly turns: Map<string, RedriveTurn>
  readonly ask: Patience
  /** Aborted: this worker begins nothing any more. */
  readonly halting: AbortController
  /** The job is cancelled. */
  cancelled: boolean
  /** What made it impossible to go on. */
  failure: { readonly error: unknown } | undefined
  /** As the last answer of the store had it. */
  progress: { readonly done: number; readonly total: number }
  /** The pause that was told of; none once a letter got through. */
  toldPauseUntil: number | undefined
  /** Monotonic: when the first of the breakers may let a call through that refused one while the job went on. */
  refusedUntil: number | undefined
  /** Letters that breakers refused since one got through, or the job was paused. */
  refusedInARow: number
  /** Monotonic: until when letters are given back that a limit refused. */
  limitedUntil: number
  /** Letters that breakers and limits refused since one got through, or the last rest. */
  refusedUnrested: number
  /** Whether it has one of the places. */
  isIn: boolean
  /** Ends the current rest. */
  waker: AbortController
  emit(event: RedriveEvent): void
}

export function halt(run: RedriveRun): void {
  run.halting.abort()
  for (const turn of run.turns.values()) turn.off.abort()
  wake(run)
}

/** What is not being sent yet is not to be. */
export function cancel(run: RedriveRun): void {
  run.cancelled = true
  for (const turn of run.turns.values()) if (!turn.sending) turn.off.abort()
  wake(run)
}

export function fail(run: RedriveRun, error: unknown): void {
  run.failure ??= { error }
  halt(run)
}

/** Waits, for so long or until `wake`. */
export async function rest(run: RedriveRun, ms: number): Promise<void> {
  run.waker = new AbortController()
  await run.clock.sleep(ms, { signal: run.waker.signal }).catch(() => {})
}

export function wake(run: RedriveRun): void {
  run.waker.abort()
}

export function newRun(
  parts: WorkerParts,
  jobId: string,
  plan: WorkerPlan,
  emit: (event: RedriveEvent) => void,
): RedriveRun {
  const halting = new AbortController()
  return {
    ...parts,
    jobId,
    plan,
    turns: new Map(),
    ask: patience(halting.signal, parts),
    halting,
    cancelled: false,
    failure: undefined,
    progress: { done: 0, total: 0 },
    toldPauseUntil: undefined,
    refusedUntil: undefined,
    refusedInARow: 0,
    limitedUntil: 0,
    refusedUnrested: 0,
    isIn: false,
    waker: new AbortController(),
    emit,
  }
}
