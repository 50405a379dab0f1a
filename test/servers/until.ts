import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks again until there is an answer other than `undefined`, and returns it. An error of `ask` counts as 'not yet'.
 * @throws Error naming `what`, the time waited and the last error, when `deadlineMs` is over (30 s unless told: a busy machine is slow, and only what hangs is to fail).
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  deadlineMs = 30_000,
): Promise<T> {
  const endAt = performance.now() + deadlineMs
  let last: unknown
  do {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      last = error
    }
    await sleep(10)
  } while (performance.now() < endAt)
  throw new Error(`waited ${deadlineMs} ms in vain for ${what}`, { cause: last })
}
