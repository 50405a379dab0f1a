import type { ClassifiedError } from '../../kernel/classify.ts'
import type { LetterAttempt } from '../../ports/dead-letters.ts'
import { attemptsMax, describedError, type LetterParts, storedAttempt } from '../../ports/letter.ts'

/** A letter after a redrive that failed: counted, with what was tried and why it failed now, parked when it is enough. */
export function afterFailedRedrive(
  { header, body }: LetterParts,
  failure: { readonly error: ClassifiedError; readonly attempts: readonly LetterAttempt[] },
  { at, maxRedrives }: { readonly at: number; readonly maxRedrives: number },
): LetterParts {
  const tried = failure.attempts.length > 0 ? failure.attempts : [{ at, error: failure.error.message }]
  const redriveCount = header.redriveCount + 1
  return {
    header: {
      ...header,
      ...describedError(failure.error),
      attempts: [...header.attempts, ...tried.map((attempt) => storedAttempt(attempt, at))].slice(-attemptsMax),
      redriveCount,
      parked: header.parked || redriveCount >= maxRedrives,
      version: header.version + 1,
      updatedAt: at,
    },
    body,
  }
}
