import { OverCapacityError, UnavailableError } from 'switchgear'
import { NotJsonError } from '../json/parse-json.ts'
import { Problem } from './problem.ts'

/** When to come back to a service that is overrun or whose store is away, in ms. */
const comeBackMs = 1_000

/** Whatever was thrown on the way to an answer, as the problem that the caller is told. Ours are not explained to strangers. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof NotJsonError) return new Problem(400, error.message, { kind: 'not-json', cause: error })
  if (error instanceof OverCapacityError)
    return new Problem(503, 'too much is waiting to be stored', { retryAfterMs: comeBackMs, cause: error })
  if (error instanceof UnavailableError)
    return new Problem(503, 'the store cannot be reached', { retryAfterMs: comeBackMs, cause: error })
  return ofFramework(error) ?? new Problem(500, 'something went wrong on our side', { cause: error })
}

/** What fastify itself refuses. */
function ofFramework(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return undefined
  const code = 'code' in error ? error.code : undefined
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new Problem(413, 'the body is larger than 1 MiB', { kind: 'too-large', cause: error })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Problem(415, 'expected content-type: application/json', { kind: 'not-json', cause: error })
  return error.statusCode >= 400 && error.statusCode < 500
    ? new Problem(error.statusCode, error.message, { cause: error })
    : undefined
}
