import { type JetStreamMessage, encodeToken } from 'switchgear/nats'
import { complaints } from '../config/check-shape.ts'
import { parseJson } from '../json/parse-json.ts'
import { type AlertDraft, alertDraftSchema } from './alert-schema.ts'

/** A message that is no alert, or not one of the organization in whose subject it stands: it is not tried again. */
export class NotAnAlertError extends Error {
  readonly type = 'invalid'
  readonly retryable = false

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'NotAnAlertError'
  }
}

/**
 * Reads the JSON of one alert, checked as `POST /v1/alerts` checks it. `token` is the organization's in the subject.
 * @throws NotAnAlertError
 */
export function readAlert({ data }: Pick<JetStreamMessage, 'data'>, token: string): AlertDraft {
  const read = alertDraftSchema.safeParse(jsonIn(data))
  if (!read.success) {
    const [first] = complaints(read.error)
    throw new NotAnAlertError([first?.path, first?.message ?? 'is not valid'].filter(Boolean).join(': '))
  }
  if (encodeToken(read.data.organization) !== token)
    throw new NotAnAlertError(`organization: "${read.data.organization}" is not that of the subject, ${token}`)
  return read.data
}

function jsonIn(data: Uint8Array): unknown {
  try {
    return parseJson(utf8.decode(data))
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error('not readable')
    throw new NotAnAlertError(message, { cause: error })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
