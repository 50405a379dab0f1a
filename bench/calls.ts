import type { Contender } from './harness.ts'

/** The least that a call can be: the baseline of what is done to one. */
export const resolves = async (): Promise<number> => 1

/** `await fn()`, and nothing else. */
export const bare: Contender = async (calls) => {
  let sum = 0
  for (let i = 0; i < calls; i++) sum += await resolves()
  return sum
}

/** One call after the other, each awaited. */
export function awaiting(call: () => Promise<number>): Contender {
  return async (calls) => {
    let sum = 0
    for (let i = 0; i < calls; i++) sum += await call()
    return sum
  }
}

/** The same for calls that all reject. */
export function catching(call: () => Promise<number>): Contender {
  return async (calls) => {
    let caught = 0
    for (let i = 0; i < calls; i++) {
      try {
        await call()
      } catch {
        caught++
      }
    }
    if (caught !== calls) throw new Error(`${calls - caught} of ${calls} calls were to reject, and resolved`)
    return caught
  }
}
