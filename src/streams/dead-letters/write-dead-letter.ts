import type { ClassifiedError } from '../../kernel/classify.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Letter, LetterDraft } from '../../ports/dead-letters.ts'
import type { Logger } from '../../ports/logger.ts'
import type { AttemptError } from '../retry/retry-run.ts'

/** A draft in which what failed, and when, is filled in where the describer does not say. */
export type Description = Omit<LetterDraft, 'error'> & Partial<Pick<LetterDraft, 'error'>>

export type Describe = (error: ClassifiedError) => Description

/** As much of a queue of dead letters as writing one needs. */
export interface LetterSink {
  enqueue(draft: LetterDraft): Promise<Letter>
}

/** What failed for good, and what was tried before. */
export interface Failure {
  readonly error: ClassifiedError
  readonly attemptErrors: readonly AttemptError[]
}

/**
 * Describes and stores the letter of what failed. Gives its id once it is stored, else `undefined`, and then it has been
 * logged: a describer that throws, a draft that names nobody, a store that cannot be asked or is full. Never rejects.
 */
export async function writeDeadLetter(
  { deadLetters, logger }: { readonly deadLetters?: LetterSink | undefined; readonly logger: Logger },
  describe: Describe,
  failure: Failure,
): Promise<string | undefined> {
  try {
    if (deadLetters === undefined) throw new Error('there is no queue of dead letters')
    const letter = await deadLetters.enqueue(draftOf(describe, failure))
    if (typeof letter.id !== 'string') throw new TypeError('the queue of dead letters gave no letter')
    return letter.id
  } catch (error) {
    unheeded(() => logger.error({ err: error, failed: failure.error }, 'the dead letter could not be written'))
    return undefined
  }
}

function draftOf(describe: Describe, { error, attemptErrors }: Failure): LetterDraft {
  const draft = describe(error)
  // An asynchronous describer is a mistake; its rejection must not end the process.
  if (draft instanceof Promise) draft.catch(() => {})
  const { organization, channel: by, messageId, payload, id } = draft
  return {
    organization,
    channel: by,
    messageId,
    payload,
    // The letter is of the type that the outcome says, also when the describer hands on what was thrown.
    error: draft.error === undefined || draft.error === error.cause ? error : draft.error,
    attempts: draft.attempts ?? attemptErrors.map(({ at, error: { message } }) => ({ at, error: message })),
    id,
  }
}
