import { STATUS_CODES } from 'node:http'
import type { Complaint } from '../config/check-shape.ts'

/** What is wrong with a request, or with us, as RFC 9457 has it. */
export class Problem extends Error {
  readonly status: number
  /** The kind of problem, for programs: the last part of `type`. Absent where the status says it all. */
  readonly kind: string | undefined
  /** The places that are wrong. */
  readonly errors: readonly Complaint[] | undefined
  /** When to come back, in ms. */
  readonly retryAfterMs: number | undefined

  constructor(
    status: number,
    detail: string,
    options: {
      readonly kind?: string
      readonly errors?: readonly Complaint[]
      readonly retryAfterMs?: number
      readonly cause?: unknown
    } = {},
  ) {
    super(detail, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'Problem'
    this.status = status
    this.kind = options.kind
    this.errors = options.errors
    this.retryAfterMs = options.retryAfterMs
  }
}

export const problemContentType = 'application/problem+json; charset=utf-8'

/** The body of a problem's answer. @see https://www.rfc-editor.org/rfc/rfc9457 */
export function problemBody({ status, kind, message, errors }: Problem): object {
  return {
    type: kind === undefined ? 'about:blank' : `urn:switchgear:problem:${kind}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    ...(errors === undefined ? {} : { errors }),
  }
}

/** The headers that go with it: `Retry-After` in whole seconds, rounded up. */
export function problemHeaders({ status, retryAfterMs }: Problem): Record<string, string> {
  return {
    'content-type': problemContentType,
    ...(retryAfterMs === undefined || !Number.isFinite(retryAfterMs)
      ? {}
      : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }),
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="switchgear"' } : {}),
  }
}
