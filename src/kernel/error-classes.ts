/** What kind of failure it was, as far as it matters for what to do next. */
export type ErrorType =
  | 'timeout'
  | 'connection'
  | 'rate_limited'
  | 'circuit_open'
  | 'rejected'
  | 'server_error'
  | 'invalid'
  | 'expired'
  | 'unknown'

/** A type, and whether the same call may succeed if it is made again after a while. */
export interface ErrorClass {
  readonly type: ErrorType
  readonly retryable: boolean
}

/** What a type says of retrying where nothing more is known. */
export const retryableByType: Readonly<Record<ErrorType, boolean>> = Object.freeze({
  timeout: true,
  connection: true,
  rate_limited: true,
  circuit_open: false,
  rejected: false,
  server_error: true,
  invalid: false,
  expired: false,
  unknown: true,
})

const ordinary = (type: ErrorType): ErrorClass => Object.freeze({ type, retryable: retryableByType[type] })

const timeout = ordinary('timeout')
const connection = ordinary('connection')
const rateLimited = ordinary('rate_limited')
const rejected = ordinary('rejected')
const serverError = ordinary('server_error')
const invalid = ordinary('invalid')
const unknown = ordinary('unknown')
/** A certificate does not mend itself between two attempts. */
const untrusted: ErrorClass = Object.freeze({ type: 'connection', retryable: false })
const notImplemented: ErrorClass = Object.freeze({ type: 'server_error', retryable: false })
const ended: ErrorClass = Object.freeze({ type: 'unknown', retryable: false })

/**
 * The class of an error by its `code`: Node's system errors, undici's, nodemailer's, axios', and our own. The table in
 * `docs/ERRORS.md` is compared with this one by a test.
 */
export const classByCode: ReadonlyMap<string, ErrorClass> = new Map([
  ...rows(timeout, 'ETIMEDOUT ESOCKETTIMEDOUT ETIME ETIMEOUT ERR_SOCKET_CONNECTION_TIMEOUT ERR_HTTP_REQUEST_TIMEOUT'),
  ...rows(timeout, 'UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT SWITCHGEAR_TIMEOUT'),
  ...rows(connection, 'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ENOTCONN EPROTO'),
  ...rows(connection, 'EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENETRESET'),
  ...rows(connection, 'ENOTFOUND EAI_AGAIN EAI_FAIL ESERVFAIL EREFUSED'),
  ...rows(connection, 'UND_ERR_SOCKET UND_ERR_CLOSED UND_ERR_DESTROYED UND_ERR_PRX_TLS UND_ERR_SOCKS5'),
  ...rows(connection, 'ERR_STREAM_PREMATURE_CLOSE ERR_SOCKET_CLOSED ERR_NETWORK'),
  ...rows(connection, 'ECONNECTION ESOCKET EDNS ETLS EPROXY EPROTOCOL EMAXLIMIT SWITCHGEAR_UNAVAILABLE'),
  ...rows(untrusted, 'DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
  ...rows(untrusted, 'UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY HOSTNAME_MISMATCH'),
  ...rows(untrusted, 'ERR_TLS_CERT_ALTNAME_INVALID'),
  ...rows(rateLimited, 'SWITCHGEAR_RATE_LIMITED SWITCHGEAR_OVER_CAPACITY'),
  ...rows(ordinary('circuit_open'), 'SWITCHGEAR_BREAKER_OPEN'),
  ...rows(rejected, 'EAUTH EREQUIRETLS'),
  ...rows(invalid, 'EENVELOPE EMESSAGE EMAXRECIPIENTS ENOAUTH EOTP ECONFIG EFILEACCESS EURLACCESS'),
  ...rows(invalid, 'UND_ERR_INVALID_ARG UND_ERR_NOT_SUPPORTED UND_ERR_REQ_CONTENT_LENGTH_MISMATCH SWITCHGEAR_CONFIG'),
  ...rows(unknown, 'EMFILE ENFILE ENOMEM ENOBUFS EADDRNOTAVAIL'),
  ...rows(ended, 'SWITCHGEAR_CLOSED'),
])

function rows(to: ErrorClass, codes: string): [string, ErrorClass][] {
  return codes.split(' ').map((code) => [code, to])
}

/** Families of codes, by how they begin. */
export const classByPrefix: ReadonlyMap<string, ErrorClass> = new Map([
  ['ERR_INVALID_', invalid],
  ['CERT_', untrusted],
  ['ERR_SSL_', untrusted],
  ['HPE_', connection],
])

/** The class of an error by its `code`; `undefined` where the code says nothing. */
export function classOfCode(code: string | undefined): ErrorClass | undefined {
  if (code === undefined) return undefined
  const known = classByCode.get(code)
  if (known !== undefined) return known
  for (const [prefix, family] of classByPrefix) if (code.startsWith(prefix)) return family
  return undefined
}

/**
 * The class of an HTTP status: 408 is a timeout, 425 and 429 ask to come later, any other 4xx is a refusal for good; 5xx
 * is the server's trouble, which passes, except 501 and 505. `undefined` below 400 and above 599.
 */
export function classOfStatus(status: number): ErrorClass | undefined {
  if (status === 408) return timeout
  if (status === 425 || status === 429) return rateLimited
  if (status === 501 || status === 505) return notImplemented
  if (status >= 400 && status < 500) return rejected
  return status >= 500 && status < 600 ? serverError : undefined
}

/**
 * The class of an SMTP reply: 4yz is transient, 5yz permanent, except 503, where the session and not the message was at
 * fault. `undefined` for others.
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1
 */
export function classOfSmtpReply(reply: number): ErrorClass | undefined {
  if (reply === 503 || (reply >= 400 && reply < 500)) return serverError
  return reply >= 500 && reply < 600 ? rejected : undefined
}
