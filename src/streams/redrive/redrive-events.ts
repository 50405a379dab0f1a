import type { ClassifiedError } from '../../kernel/classify.ts'
import type { RedriveOutcome } from '../../ports/redrive-jobs.ts'

/** What a worker of a redrive says, as it happens. `done` of `total` letters are settled, whoever settled them. */
export type RedriveEvent =
  | {
      readonly jobId: string
      readonly letterId: string
      /**
       * `delivered`: it left the queue. `failed`: it stays, with its redrive counted. `parked`: the same, and it is set aside
       * now. `skipped`: nobody tried, since it is gone, is parked, or is in the hands of another redrive.
       */
      readonly status: RedriveOutcome
      /** Why it failed. */
      readonly error?: ClassifiedError
      readonly done: number
      readonly total: number
    }
  | {
      readonly jobId: string
      /**
       * The breaker that the letters go through, or that of every one that is left, is open: the job goes on by itself. Said
       * once for each pause.
       */
      readonly status: 'paused'
      /** When the breaker may let a call through, ms since the epoch; `Infinity`: when an operator releases it. */
      readonly untilAt: number
      readonly done: number
      readonly total: number
    }
