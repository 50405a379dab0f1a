import type { LetterFilter } from 'switchgear'
import { z } from 'zod'
import { nameText, plainText } from '../intake/plain-text.ts'

/** The kinds of errors that letters are kept under. */
const errorTypes = [
  'timeout',
  'connection',
  'rate_limited',
  'circuit_open',
  'rejected',
  'server_error',
  'invalid',
  'expired',
  'unknown',
] as const satisfies NonNullable<LetterFilter['errorType']>[]

const channels = ['email', 'slack', 'webhook'] as const

/** Letters in one page, and ids in one order. */
const pageMax = 1_000
const idsMax = 10_000

const instant = z.number().int().min(0).max(8.64e15)

/** The id of a letter or of a redrive: an organization with each character encoded, a dot, and a name. */
export const idText: z.ZodType<string> = plainText(1_282)

const filterFields = {
  organization: nameText.exactOptional(),
  channel: nameText.exactOptional(),
  errorType: z.enum(errorTypes).exactOptional(),
  since: instant.exactOptional(),
  until: instant.exactOptional(),
  text: plainText(1_024).exactOptional(),
  parked: z.boolean().exactOptional(),
}

const queryFields = {
  ...filterFields,
  since: z.coerce.number().pipe(instant).exactOptional(),
  until: z.coerce.number().pipe(instant).exactOptional(),
  parked: z
    .enum(['true', 'false'])
    .transform((said) => said === 'true')
    .exactOptional(),
}

export const filterSchema: z.ZodType<LetterFilter> = z.strictObject(filterFields)
export const statsQuerySchema: z.ZodType<LetterFilter> = z.strictObject(queryFields)

export interface ListQuery extends LetterFilter {
  readonly limit: number
  readonly cursor?: string
}

export const listQuerySchema: z.ZodType<ListQuery> = z.strictObject({
  ...queryFields,
  limit: z.coerce.number().int().min(1).max(pageMax).default(100),
  cursor: plainText(2_048).exactOptional(),
})

export interface EditBody {
  readonly payload?: unknown
  readonly channel?: (typeof channels)[number]
  readonly version?: number
}

export const editSchema: z.ZodType<EditBody> = z
  .strictObject({
    payload: z.unknown().optional(),
    channel: z.enum(channels).exactOptional(),
    version: z.number().int().min(1).exactOptional(),
  })
  .refine(({ payload, channel }) => payload !== undefined || channel !== undefined, 'expected payload or channel')

/** Which letters: either is there, and not both. */
export interface Chosen {
  readonly ids?: readonly string[]
  readonly filter?: LetterFilter
}

const chosenFields = {
  ids: z.array(idText).min(1).max(idsMax).exactOptional(),
  filter: filterSchema.exactOptional(),
}

const chosenSays = 'expected either ids or filter'
const isChosen = ({ ids, filter }: Chosen): boolean => (ids === undefined) !== (filter === undefined)

export const chosenSchema: z.ZodType<Chosen> = z.strictObject(chosenFields).refine(isChosen, chosenSays)

export const purgeSchema: z.ZodType<Chosen & { readonly dryRun: boolean }> = z
  .strictObject({ ...chosenFields, dryRun: z.boolean().default(false) })
  .refine(isChosen, chosenSays)

export interface RedriveBody extends Chosen {
  readonly ratePerSecond?: number
  readonly max?: number
  readonly maxRedrives?: number
}

const count = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

export const redriveBodySchema: z.ZodType<RedriveBody> = z
  .strictObject({
    ...chosenFields,
    ratePerSecond: z.number().positive().max(1_000_000).exactOptional(),
    max: count.exactOptional(),
    maxRedrives: count.exactOptional(),
  })
  .refine(isChosen, chosenSays)

/** What is answered, for the OpenAPI document. */
export const letterSchema: z.ZodType = z.object({
  id: z.string(),
  organization: z.string(),
  channel: z.string(),
  messageId: z.string(),
  payload: z.unknown(),
  errorType: z.enum(errorTypes),
  error: z.object({
    name: z.string(),
    message: z.string(),
    code: z.string().optional(),
    stack: z.string().optional(),
  }),
  attempts: z.array(z.object({ at: z.number(), error: z.string() })),
  retryCount: z.number().int(),
  redriveCount: z.number().int(),
  parked: z.boolean(),
  version: z.number().int(),
  createdAt: z.number(),
  updatedAt: z.number(),
  edits: z
    .array(
      z.object({
        at: z.number(),
        version: z.number().int(),
        channel: z.string().optional(),
        payload: z.unknown().optional(),
      }),
    )
    .optional(),
})

export const statsSchema: z.ZodType = z.object({
  total: z.number().int(),
  parked: z.number().int(),
  spilled: z.number().int().optional(),
  oldestAgeMs: z.number(),
  rows: z.array(
    z.object({
      organization: z.string(),
      channel: z.string(),
      errorType: z.enum(errorTypes),
      count: z.number().int(),
      oldestAgeMs: z.number(),
    }),
  ),
})

export const redriveSchema: z.ZodType = z.object({
  id: z.string(),
  organization: z.string(),
  state: z.enum(['running', 'paused', 'done', 'cancelled']),
  pausedUntilAt: z.number().optional(),
  startedAt: z.number(),
  done: z.number().int(),
  total: z.number().int(),
  delivered: z.number().int(),
  failed: z.number().int(),
  parked: z.number().int(),
  skipped: z.number().int(),
  ratePerSecond: z.number().optional(),
  maxRedrives: z.number().int(),
})
