import { hasMethods } from '../kernel/options.ts'

/** Chance. `next` is uniform in [0, 1). */
export interface Random {
  next(): number
}

export const systemRandom: Random = Object.freeze({ next: () => Math.random() })

export function isRandom(value: unknown): value is Random {
  return hasMethods(value, ['next'])
}
