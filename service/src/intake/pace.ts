import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/**
 * Gives turns: each resolves when at least `everyMs` have passed since the one before, and never before what has already
 * arrived at this process was read. The first costs no waiting.
 */
export function createPace(everyMs: number): () => Promise<void> {
  let lastAt = -Infinity
  return async () => {
    await nextTurn()
    const leftMs = lastAt + everyMs - performance.now()
    if (leftMs > 0) await sleep(leftMs)
    lastAt = performance.now()
  }
}
