import { firstInCauses, peek } from './causes.ts'

/** A timer that comes later than this, in ms, or later than half of the time it measured, tells of a blocked event loop. */
const lateMsMin = 50

/**
 * Whether this process is to blame, and not what it called: out of file descriptors, memory, buffers or local ports, or
 * a timeout of ours whose own timer came late because the event loop was blocked (`lateMs` at least 50 and at least half
 * of `timeoutMs`). Looks through causes. A breaker does not count such an error against the dependency. Never throws.
 * The caller's abort is `isAbort`.
 */
export function isOwnFault(error: unknown): boolean {
  return firstInCauses(error, ownFault) ?? false
}

function ownFault(link: unknown): true | undefined {
  const code = peek(link, 'code')
  if (code === 'SWITCHGEAR_TIMEOUT') return cameLate(peek(link, 'lateMs'), peek(link, 'timeoutMs'))
  // nodemailer puts its own code in front and keeps the system's beside it.
  return isExhaustion(code) || isExhaustion(peek(link, 'originalCode')) || undefined
}

function isExhaustion(code: unknown): boolean {
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
    case 'ENOBUFS':
    case 'EADDRNOTAVAIL':
      return true
    default:
      return false
  }
}

function cameLate(lateMs: unknown, timeoutMs: unknown): true | undefined {
  if (typeof lateMs !== 'number' || typeof timeoutMs !== 'number') return undefined
  return lateMs >= Math.max(lateMsMin, timeoutMs / 2) || undefined
}

/**
 * Whether somebody on this side called it off: an `AbortError` of the platform or of a library, also as a cause. One that
 * a timeout set off (`AbortSignal.timeout` given to Node's own functions) is a timeout and no abort. Never throws.
 */
export function isAbort(error: unknown): boolean {
  return firstInCauses(error, abortLink) === true && firstInCauses(error, timeoutLink) === undefined
}

function abortLink(link: unknown): true | undefined {
  return isAbortLink(link) || undefined
}

function timeoutLink(link: unknown): true | undefined {
  return isTimeoutLink(link) || undefined
}

/** One error by itself, without its causes. */
export function isAbortLink(link: unknown): boolean {
  const name = peek(link, 'name')
  if (name === 'AbortError' || name === 'CanceledError') return true
  switch (peek(link, 'code')) {
    case 'ABORT_ERR':
    case 'UND_ERR_ABORTED':
    case 'ERR_CANCELED':
    case 'EABORT':
      return true
    default:
      return false
  }
}

/** One error by itself: does it call itself a timeout? Ours, the platform's, and those of most libraries do. */
export function isTimeoutLink(link: unknown): boolean {
  const name = peek(link, 'name')
  return typeof name === 'string' && (name.endsWith('TimeoutError') || name.endsWith('TimeoutException'))
}
