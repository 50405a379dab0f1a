import { z } from 'zod'
import type { Mode, TransitionView } from './page/wire.ts'

/** What an instance says of itself to the others. */
export interface RollCallAnswer {
  readonly instance: string
  readonly startedAt: number
  readonly isLinked: boolean
  readonly seq: number
  readonly digest: string
  readonly own: readonly { readonly breaker: string; readonly mode: Mode; readonly reason: string }[]
}

const modes = ['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled'] as const satisfies readonly Mode[]

/** Readers ignore what they do not know. */
const schema: z.ZodType<RollCallAnswer> = z.object({
  instance: z.string().min(1).max(128),
  startedAt: z.number(),
  isLinked: z.boolean(),
  seq: z.number(),
  digest: z.string().max(64),
  own: z.array(z.object({ breaker: z.string().max(128), mode: z.enum(modes), reason: z.string() })).max(16),
})

/** `undefined` for what is no answer. */
export function answerOf(message: Readonly<Record<string, unknown>>): RollCallAnswer | undefined {
  return schema.safeParse(message['answer']).data
}

const counts = z.object({ calls: z.number(), failures: z.number(), slow: z.number(), consecutiveFailures: z.number() })

/** Another instance's own change of a breaker, which stands in no log. */
const transitionSchema: z.ZodType<TransitionView> = z.object({
  breaker: z.string().min(1).max(128),
  from: z.enum(modes),
  to: z.enum(modes),
  scope: z.literal('local'),
  reason: z.string().max(1_000),
  by: z.string().max(128),
  at: z.number(),
  term: z.number(),
  seq: z.number(),
  counts,
  instance: z.string().min(1).max(128),
})

/** `undefined` for what is no transition. */
export function transitionOf(message: Readonly<Record<string, unknown>>): TransitionView | undefined {
  return transitionSchema.safeParse(message['transition']).data
}

export function answerText({ instance, startedAt, isLinked, seq, digest, own }: RollCallAnswer): object {
  const reasons = own.map((each) => ({ ...each, reason: each.reason.slice(0, 200) }))
  return { answer: { instance, startedAt, isLinked, seq, digest, own: reasons } }
}
