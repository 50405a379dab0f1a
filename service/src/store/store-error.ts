import { SwitchgearError, UnavailableError } from 'switchgear'

/** Somebody else stored one of the ids between our look and our insert: the database was asked, and has answered. */
export class RacedError extends Error {}

/**
 * Runs something that asks the database and tells 'could not ask' from 'the answer is an error': the first becomes an
 * `UnavailableError`, the second stays as it is.
 */
export async function translated<T>(dependency: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof SwitchgearError || error instanceof RacedError || !isUnavailable(error)) throw error
    throw new UnavailableError(dependency, error instanceof Error ? error.message : 'it did not answer', {
      cause: error,
    })
  }
}

/** Two transactions met, and the server broke off this one: the same again may pass. */
export function isTryAgain(error: unknown): boolean {
  const state = sqlState(error) ?? sqlState(error instanceof Error ? error.cause : undefined)
  return state === '40001' || state === '40P01'
}

/**
 * Classes of SQLSTATE that say nothing of the statement: connection, resources, operator's intervention, system; and that
 * a transaction was broken off in favour of another, or ended since it had said nothing for long. What carries no SQLSTATE
 * did not come from the database: a socket, a timeout of the driver, a closed engine.
 */
function isUnavailable(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return isTryAgain(error) || /^(?:08|53|57|58|XX|25P03)/.test(state)
  return error instanceof Error && !(error instanceof TypeError || error instanceof RangeError)
}

/** No class of them begins with E, as what the system says of sockets does: EPIPE. */
function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined
}
