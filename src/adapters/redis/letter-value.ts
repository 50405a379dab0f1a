import type { ErrorType } from '../../kernel/classify.ts'
import type { LetterHeader, LetterParts } from '../../ports/letter.ts'
import { letterId } from '../../ports/letter.ts'
import { inKey } from './keys.ts'

/** Which letters an index holds: of one error type, parked or not, on one channel. */
export interface Cell {
  readonly errorType: ErrorType
  readonly parked: boolean
  readonly channel: string
}

/** `<errorType>:<0 or 1>:<channel>`, as it stands in the key of the index and in a letter's first line. */
export function cellName({ errorType, parked, channel }: Cell): string {
  return `${errorType}:${parked ? 1 : 0}:${inKey(channel).replaceAll('\n', '%0A')}`
}

export function readCell(name: string): Cell {
  const known = cells.get(name)
  if (known !== undefined) return known
  const [errorType = '', parked = '', channel = ''] = name.split(':')
  const cell: Cell = {
    errorType: errorType as ErrorType,
    parked: parked === '1',
    channel: channel.replaceAll(encoded, decodeURIComponent),
  }
  if (cells.size >= cellsRemembered) cells.clear()
  cells.set(name, cell)
  return cell
}

const encoded = /%[0-9A-F]{2}/g
const cells = new Map<string, Cell>()
const cellsRemembered = 1_000

/** What of a header stands in its JSON: what the key and the first line say is left out, and so is what is as it begins. */
interface StoredHeader
  extends
    Pick<LetterHeader, 'messageId' | 'createdAt' | 'edits'>,
    Partial<Pick<LetterHeader, 'attempts' | 'retryCount' | 'redriveCount' | 'updatedAt'>> {
  /** `frames` is a stack that begins with the name and the message, without these. */
  readonly error: LetterHeader['error'] & { readonly frames?: string }
}

/**
 * Three lines: `<version> <cell>`, the rest of the header as JSON, and the payload as JSON. In place of a letter that was
 * delivered or purged stands `gone`, which is none of these.
 */
export function writeValue({ header, body }: LetterParts): string {
  const { messageId, error, attempts, retryCount, redriveCount, createdAt, updatedAt, edits } = header
  const stored: StoredHeader = {
    messageId,
    error: storedError(error),
    ...(attempts.length === 0 ? {} : { attempts }),
    ...(retryCount === 0 ? {} : { retryCount }),
    ...(redriveCount === 0 ? {} : { redriveCount }),
    createdAt,
    ...(updatedAt === createdAt ? {} : { updatedAt }),
    ...(edits === undefined ? {} : { edits }),
  }
  return `${header.version} ${cellName(header)}\n${JSON.stringify(stored)}\n${body}`
}

/** The letter in a value, without its body when that was not read; `undefined` for one that is gone, or was not there. */
export function readValue(organization: string, id: string, value: unknown): LetterParts | undefined {
  const text = Buffer.isBuffer(value) ? value.toString() : ''
  const first = text.indexOf('\n')
  if (first < 0) return undefined
  const second = text.indexOf('\n', first + 1)
  const space = text.indexOf(' ')
  const { errorType, parked, channel } = readCell(text.slice(space + 1, first))
  const stored = JSON.parse(text.slice(first + 1, second < 0 ? undefined : second)) as StoredHeader
  const header: LetterHeader = {
    id: idPrefix(organization) + id,
    organization,
    channel,
    messageId: stored.messageId,
    errorType,
    error: readError(stored.error),
    attempts: stored.attempts ?? [],
    retryCount: stored.retryCount ?? 0,
    redriveCount: stored.redriveCount ?? 0,
    parked,
    version: Number(text.slice(0, space)),
    createdAt: stored.createdAt,
    updatedAt: stored.updatedAt ?? stored.createdAt,
  }
  return {
    header: stored.edits === undefined ? header : { ...header, edits: stored.edits },
    body: second < 0 ? '' : text.slice(second + 1),
  }
}

/** What all ids of an organization begin with; to encode a name for each letter of a page takes long. */
function idPrefix(organization: string): string {
  if (lastPrefix.organization !== organization) lastPrefix = { organization, prefix: letterId(organization, '') }
  return lastPrefix.prefix
}

let lastPrefix = { organization: '', prefix: letterId('', '') }

function storedError(error: LetterHeader['error']): StoredHeader['error'] {
  const beginning = `${error.name}: ${error.message}`
  if (error.stack?.startsWith(beginning) !== true) return error
  const { stack, ...rest } = error
  return { ...rest, frames: stack.slice(beginning.length) }
}

function readError(stored: StoredHeader['error']): LetterHeader['error'] {
  // Most have none, and to spread an object costs as much as to parse it.
  if (stored.frames === undefined) return stored
  const { frames, ...error } = stored
  return { ...error, stack: `${error.name}: ${error.message}${frames}` }
}
