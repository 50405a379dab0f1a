import { z } from 'zod'
import type { Mode } from './page/wire.ts'

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

export function answerText({ instance, startedAt, isLinked, seq, digest, own }: RollCallAnswer): object {
  const reasons = own.map((each) => ({ ...each, reason: each.reason.slice(0, 200) }))
  return { answer: { instance, startedAt, isLinked, seq, digest, own: reasons } }
}
