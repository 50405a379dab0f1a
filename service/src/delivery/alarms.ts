/** The longest timer there is, in ms. */
const timerMsMax = 2 ** 31 - 1

/** One timer a destination, the earliest that anybody asked for. They do not keep the process alive. */
export interface Alarms {
  set(destination: string, inMs: number): void
  clear(): void
}

export function createAlarms(ring: (destination: string) => void): Alarms {
  const alarms = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>()
  return {
    set(destination, inMs) {
      const at = performance.now() + inMs
      const there = alarms.get(destination)
      if (there !== undefined && there.at <= at) return
      clearTimeout(there?.timer)
      const timer = setTimeout(
        () => {
          alarms.delete(destination)
          ring(destination)
        },
        Math.min(Math.max(0, Math.ceil(inMs)), timerMsMax),
      )
      alarms.set(destination, { at, timer: timer.unref() })
    },
    clear() {
      for (const { timer } of alarms.values()) clearTimeout(timer)
      alarms.clear()
    },
  }
}
