import { withQuery } from './api.ts'

/** A dead letter, as the service gives it. */
export interface Letter {
  readonly id: string
  readonly organization: string
  readonly channel: string
  readonly messageId: string
  readonly payload: unknown
  readonly errorType: string
  readonly error: { readonly name: string; readonly message: string; readonly code?: string; readonly stack?: string }
  readonly attempts: readonly { readonly at: number; readonly error: string }[]
  readonly retryCount: number
  readonly redriveCount: number
  readonly parked: boolean
  readonly version: number
  readonly createdAt: number
}

/** `circuit_open` → `circuit open` */
export function errorTypeText(errorType: string): string {
  return errorType.replaceAll('_', ' ')
}

export interface LetterStats {
  readonly total: number
  readonly parked: number
  readonly spilled?: number
  readonly oldestAgeMs: number
  readonly rows: readonly LetterGroup[]
}

/** Letters that are of one organization, channel and kind of error. */
export interface LetterGroup {
  readonly organization: string
  readonly channel: string
  readonly errorType: string
  readonly count: number
  readonly oldestAgeMs: number
}

/** Hears of what is done with letters. */
export interface LetterListener {
  /** A letter was changed, parked or sent again. */
  readonly onChange: () => void
  readonly onRedrive: (job: string) => void
}

/** The page of letters of a group. */
export function lettersPath({ organization, channel, errorType }: LetterGroup, cursor: string | undefined): string {
  return withQuery('/v1/dead-letters', { organization, channel, errorType, limit: 20, cursor })
}
