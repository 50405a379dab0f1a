import { z } from 'zod'
import { isClock, type Clock } from '../ports/clock.ts'
import { isRandom, type Random } from '../ports/random.ts'

/** What tests replace: `virtualClock` and `seededRandom` of `switchgear/testing`. Default: the system's. */
export interface TimeAndChance {
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** The same as fields of an options schema. */
export const timeAndChanceFields: {
  readonly clock: z.ZodOptional<z.ZodType<Clock>>
  readonly random: z.ZodOptional<z.ZodType<Random>>
} = {
  clock: z.custom<Clock>(isClock, 'expected a clock').optional(),
  random: z.custom<Random>(isRandom, 'expected a source of chance: { next() }').optional(),
}
