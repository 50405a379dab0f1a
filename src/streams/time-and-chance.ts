import { z } from 'zod'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'

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
  clock: z
    .custom<Clock>(
      (value) => hasMethods(value, ['now', 'monotonic', 'setTimeout', 'clearTimeout', 'sleep']),
      'expected a clock',
    )
    .optional(),
  random: z
    .custom<Random>((value) => hasMethods(value, ['next']), 'expected a source of chance: { next() }')
    .optional(),
}

/** As much of an object of the caller's as can be checked without calling it. */
export function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  return names.every((name) => typeof Reflect.get(value, name) === 'function')
}
