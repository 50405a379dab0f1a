import { z } from 'zod'
import { retryableByType } from '../../kernel/error-classes.ts'
import type { ErrorType } from '../../kernel/classify.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { isName } from '../../kernel/names.ts'
import { parseOptions, shown } from '../../kernel/options.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import {
  attemptsMax,
  bodyOf,
  type LetterParts,
  organizationOf,
  type StoredEdit,
  storedAttempt,
} from '../../ports/letter.ts'

/** As much as a letter holds of an error, so that no letter from elsewhere makes a store's pages longer than its own do. */
const textMax = Object.freeze({ name: 256, message: 8_192, code: 256, stack: 16_384 })
const editsMax = 10

/**
 * A letter that was read from a queue, for a store: the same in all, but for what its bounds cut.
 * @throws ConfigError for what is no letter
 * @throws OverCapacityError for a payload past `bodyBytesMax`
 */
export function restoredLetter(given: Letter, bodyBytesMax: number): LetterParts {
  const { payload, attempts, edits, ...rest } = parseOptions(schema, given, 'letter')
  if (payload === undefined) throw new ConfigError('letter.payload', 'expected one (given: undefined)')
  if (organizationOf(rest.id) !== rest.organization || !isName(rest.id.slice(rest.id.indexOf('.') + 1)))
    throw new ConfigError('letter.id', `expected the id of a letter of its organization (given: ${shown(rest.id)})`)
  const header = { ...rest, attempts: attempts.map((attempt) => storedAttempt(attempt, rest.createdAt)) }
  const stored = edits?.map(({ payload: before, ...edit }): StoredEdit => {
    return before === undefined ? edit : { ...edit, body: bodyOf(before, bodyBytesMax) }
  })
  return {
    header: stored === undefined ? header : { ...header, edits: stored },
    body: bodyOf(payload, bodyBytesMax),
  }
}

const name = z.string().refine(isName, 'expected a text of 1 to 128 characters')
const instant = z.number().nonnegative().max(8.64e15)
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const version = count.min(1)

const schema: z.ZodType<Letter> = z.strictObject({
  id: z.string(),
  organization: name,
  channel: name,
  messageId: name,
  payload: z.unknown(),
  errorType: z.enum(Object.keys(retryableByType) as ErrorType[]),
  error: z.strictObject({
    name: z.string().max(textMax.name),
    message: z.string().max(textMax.message),
    code: z.string().max(textMax.code).optional(),
    stack: z.string().max(textMax.stack).optional(),
  }),
  attempts: z.array(z.strictObject({ at: z.number(), error: z.string() })).max(attemptsMax),
  retryCount: count,
  redriveCount: count,
  parked: z.boolean(),
  version,
  createdAt: instant,
  updatedAt: instant,
  edits: z
    .array(z.strictObject({ at: instant, version, channel: name.optional(), payload: z.unknown().optional() }))
    .max(editsMax)
    .optional(),
}) as z.ZodType<Letter>
