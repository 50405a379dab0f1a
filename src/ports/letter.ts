import { types } from 'node:util'
import { classify } from '../kernel/classify.ts'
import { peek, peekText } from '../kernel/causes.ts'
import { ConfigError, OverCapacityError } from '../kernel/errors.ts'
import { checkName } from '../kernel/names.ts'
import { shown } from '../kernel/options.ts'
import { storableJson, TooLongToStore } from '../kernel/storable.ts'
import type { Letter, LetterAttempt, LetterDraft, LetterEdit } from './dead-letters.ts'

/** How many attempts a letter keeps, the newest; `retryCount` counts all of its draft, which a call gives as many. */
export const attemptsMax = 100
const attemptErrorCharactersMax = 1_024
/** The error's stack with those of its causes. */
const stackCharactersMax = 16_384
const causesMax = 16

/** A letter as stores keep it: what lists and filters look at, which is plain JSON, and the payload as JSON text. */
export interface LetterParts {
  readonly header: LetterHeader
  readonly body: string
}

export interface LetterHeader extends Omit<Letter, 'payload' | 'edits'> {
  readonly edits?: readonly StoredEdit[]
}

/** An edit whose payload is JSON text. */
export interface StoredEdit extends Omit<LetterEdit, 'payload'> {
  readonly body?: string
}

export interface LetterMaking {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The second half of the id of a draft that has none: a ULID. */
  readonly newId: () => string
  /** The largest payload: the bytes of a text or of binary data, the bytes of the JSON of anything else. */
  readonly bodyBytesMax: number
}

/**
 * Makes a letter from what a caller handed in: the one place where drafts are checked and hostile values are made
 * storable, so that every store keeps the same. An error of any kind is taken, and so are attempts that make no sense.
 * @throws ConfigError for a draft that does not say whose it is
 * @throws OverCapacityError past `bodyBytesMax`
 */
export function writeLetter(draft: LetterDraft, { at, newId, bodyBytesMax }: LetterMaking): LetterParts {
  if (typeof draft !== 'object' || draft === null)
    throw new ConfigError('draft', `expected the draft of a letter (given: ${shown(draft)})`)
  const name = (key: keyof LetterDraft): string => checkName(peek(draft, key), `draft.${key}`)
  const organization = name('organization')
  const id = peek(draft, 'id') === undefined ? newId() : name('id')
  const attempts = listed(peek(draft, 'attempts'))
  const header: LetterHeader = {
    id: letterId(organization, id),
    organization,
    channel: name('channel'),
    messageId: name('messageId'),
    ...describedError(peek(draft, 'error')),
    attempts: attempts.slice(-attemptsMax).map((attempt) => storedAttempt(attempt, at)),
    retryCount: Math.max(0, attempts.length - 1),
    redriveCount: 0,
    parked: false,
    version: 1,
    createdAt: at,
    updatedAt: at,
  }
  return { header, body: bodyOf(peek(draft, 'payload'), bodyBytesMax) }
}

/** The letter, with a payload of its own: what is done to it does not reach the store. */
export function readLetter({ header, body }: LetterParts): Letter {
  const { error, attempts, edits } = header
  // Field by field: to spread a header costs more than to parse its body.
  const letter: Letter = {
    id: header.id,
    organization: header.organization,
    channel: header.channel,
    messageId: header.messageId,
    payload: JSON.parse(body) as unknown,
    errorType: header.errorType,
    error: { ...error },
    attempts: attempts.map((attempt) => ({ ...attempt })),
    retryCount: header.retryCount,
    redriveCount: header.redriveCount,
    parked: header.parked,
    version: header.version,
    createdAt: header.createdAt,
    updatedAt: header.updatedAt,
  }
  return edits === undefined ? letter : { ...letter, edits: edits.map(readEdit) }
}

function readEdit({ body, ...edit }: StoredEdit): LetterEdit {
  return body === undefined ? edit : { ...edit, payload: JSON.parse(body) as unknown }
}

/** `<organization>.<id>`, the organization so encoded that the first dot ends it. */
export function letterId(organization: string, id: string): string {
  return `${encodeURIComponent(organization).replaceAll('.', '%2E')}.${id}`
}

/** The organization in the id of a letter or a job; `undefined` for what is no such id. */
export function organizationOf(id: string): string | undefined {
  const end = typeof id === 'string' ? id.indexOf('.') : -1
  if (end < 1) return undefined
  try {
    const organization = decodeURIComponent(id.slice(0, end))
    return letterId(organization, id.slice(end + 1)) === id ? organization : undefined
  } catch {
    return undefined
  }
}

/** The type of an error of any kind, and what a letter says of it. */
export function describedError(given: unknown): Pick<Letter, 'errorType' | 'error'> {
  const { type, name, message, code, cause } = classify(given)
  const stack = stackWithCauses(cause)
  const error = { name, message, ...(code === undefined ? {} : { code }), ...(stack === '' ? {} : { stack }) }
  return { errorType: type, error }
}

function stackWithCauses(error: unknown): string {
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let link = error; link !== undefined && link !== null && !seen.has(link); link = peek(link, 'cause')) {
    if (seen.size === causesMax) break
    seen.add(link)
    const stack = peekText(link, 'stack') ?? peekText(link, 'message')
    if (stack !== undefined && stack !== '') parts.push(stack)
  }
  return cut(parts.join('\ncaused by: '), stackCharactersMax)
}

/** An attempt of any kind, as a letter has it. */
export function storedAttempt(given: unknown, at: number): LetterAttempt {
  const when = peek(given, 'at')
  const error = peek(given, 'error')
  return {
    at: typeof when === 'number' && Number.isFinite(when) ? when : at,
    error: cut(typeof error === 'string' ? error : classify(error).message, attemptErrorCharactersMax),
  }
}

function listed(attempts: unknown): readonly unknown[] {
  try {
    return Array.isArray(attempts) ? Array.from<unknown>(attempts) : []
  } catch {
    return []
  }
}

/** The payload as JSON text. @throws OverCapacityError past `bodyBytesMax` */
export function bodyOf(payload: unknown, bodyBytesMax: number): string {
  const tooLarge = (): OverCapacityError =>
    new OverCapacityError('the payload of a dead letter', 'bodyBytesMax', bodyBytesMax)
  const ownBytes =
    typeof payload === 'string'
      ? Buffer.byteLength(payload)
      : types.isUint8Array(payload)
        ? payload.byteLength
        : undefined
  if (ownBytes !== undefined && ownBytes > bodyBytesMax) throw tooLarge()
  try {
    const body = storableJson(payload, ownBytes === undefined ? bodyBytesMax : Infinity)
    if (ownBytes === undefined && Buffer.byteLength(body) > bodyBytesMax) throw tooLarge()
    return body
  } catch (error) {
    throw error instanceof TooLongToStore ? tooLarge() : error
  }
}

function cut(text: string, charactersMax: number): string {
  return text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text
}
