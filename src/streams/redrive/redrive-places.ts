/** For so many jobs at the same time; of those that wait, the one that has waited longest is next. */
export interface Places {
  /** Waits for a place. Says whether there is one: there is none any more when the signal has aborted. */
  enter(signal: AbortSignal): Promise<boolean>
  leave(): void
}

export function places(count: number): Places {
  let free = count
  const waiting = new Set<() => void>()
  return {
    async enter(signal) {
      if (signal.aborted) return false
      if (free > 0) {
        free -= 1
        return true
      }
      return new Promise((resolve) => {
        const come = (): void => {
          signal.removeEventListener('abort', go)
          resolve(true)
        }
        const go = (): void => {
          waiting.delete(come)
          resolve(false)
        }
        signal.addEventListener('abort', go, { once: true })
        waiting.add(come)
      })
    },
    leave() {
      const [next] = waiting
      if (next === undefined) free += 1
      else {
        waiting.delete(next)
        next()
      }
    },
  }
}
