import type { Letter } from 'switchgear'
import { complaints } from '../config/check-shape.ts'
import type { Organizations, Receiver } from '../config/organizations.ts'
import { type LetterPayload, letterPayloadSchema } from './letter-payload.ts'

/** A letter as it is sent again. */
export interface LetterToSend extends LetterPayload {
  /** As it is configured now. */
  readonly receiver: Receiver['name']
  readonly to: Receiver
}

/** The letter cannot be sent as it is: somebody has to change it, or the configuration. */
export class UnsendableError extends Error {
  readonly type = 'invalid'
  readonly retryable = false

  constructor(message: string) {
    super(message)
    this.name = 'UnsendableError'
  }
}

/**
 * What is sent of a letter, and to whom: the receiver that it names, in its own organization, as configured now. Where its
 * channel was edited, and that receiver has another, it goes to the organization's only receiver on that channel.
 * @throws UnsendableError
 */
export function letterToSend(letter: Letter, organizations: Organizations): LetterToSend {
  const payload = letterPayloadSchema.safeParse(letter.payload)
  if (!payload.success) {
    const [first] = complaints(payload.error)
    throw new UnsendableError(`payload.${first?.path ?? ''}: ${first?.message ?? 'is not valid'}`)
  }
  const { alert, ...rest } = payload.data
  const to = receiverFor(letter, rest.receiver, organizations)
  // Whose letter it is stands in its id; what was edited into it must not speak for others.
  return { ...rest, receiver: to.name, to, alert: { ...alert, organization: letter.organization } }
}

function receiverFor({ organization, channel, edits }: Letter, name: string, organizations: Organizations): Receiver {
  const receivers = organizations.get(organization)?.receivers
  if (receivers === undefined) throw new UnsendableError(`the organization "${organization}" is not configured`)
  const named = receivers.find((receiver) => receiver.name === name)
  const moved = edits?.some((edit) => edit.channel !== undefined) === true && named?.channel !== channel
  if (!moved && named !== undefined) return named
  if (!moved) throw new UnsendableError(`the receiver "${name}" is no longer configured`)
  const [only, ...others] = receivers.filter((receiver) => receiver.channel === channel)
  if (only !== undefined && others.length === 0) return only
  const found = only === undefined ? 'no receiver' : 'several receivers'
  throw new UnsendableError(`"${organization}" has ${found} on ${channel}: name one as payload.receiver`)
}
