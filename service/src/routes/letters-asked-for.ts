import { ConfigError, type LetterFilter, type LettersGiven, OverCapacityError, UnavailableError } from 'switchgear'
import { isOf } from '../dead-letters/letter-scope.ts'
import { type Caller, scopeOf } from './access.ts'
import { invalid } from './check-request.ts'
import type { Chosen } from './dead-letter-schemas.ts'
import { Problem } from './problem.ts'

/** When to come back while the letters cannot be asked for, in ms. */
const comeBackMs = 1_000

/** The filter, with nothing but the caller's own. @throws Problem 403 for one that asks for another organization's */
export function ownFilter(caller: Caller, filter: LetterFilter): LetterFilter {
  const organization = scopeOf(caller, filter.organization)
  return organization === undefined ? filter : { ...filter, organization }
}

/** The id, if it is one of the caller's. @throws Problem 404: what is another's is as if it were not there */
export function ownId(caller: Caller, id: string, what: string): string {
  if (caller.kind === 'operator' || isOf(caller.name, id)) return id
  throw notThere(id, what)
}

export function notThere(id: string, what: string): Problem {
  return new Problem(404, `there is no ${what} "${id.slice(0, 200)}"`)
}

/** @throws Problem 403 or 404 */
export function ownLetters(caller: Caller, { ids, filter = {} }: Chosen): LettersGiven {
  return ids === undefined ? ownFilter(caller, filter) : ids.map((id) => ownId(caller, id, 'dead letter'))
}

/** Asks the queue; what it refuses is the caller's to mend. @throws Problem */
export async function askQueue<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw problemOfQueue(error)
  }
}

function problemOfQueue(error: unknown): unknown {
  if (error instanceof ConfigError && error.path === 'version')
    return new Problem(409, error.message, { kind: 'conflict', errors: [{ path: 'version', message: error.message }] })
  if (error instanceof ConfigError)
    return invalid([{ path: error.path, message: error.message.slice(error.path.length + 2) }])
  if (error instanceof OverCapacityError) return new Problem(413, error.message, { kind: 'too-large', cause: error })
  if (error instanceof UnavailableError)
    return new Problem(503, 'the dead letters cannot be reached', { retryAfterMs: comeBackMs, cause: error })
  return error
}
