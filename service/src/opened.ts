/** What has been opened, to be let go of in the opposite order. */
export interface Opened {
  add(close: () => unknown): void
  /** Lets go of all, also where some of it fails; each once. Rejects with the first failure. */
  letGo(): Promise<void>
}

export function createOpened(): Opened {
  const closes: (() => unknown)[] = []
  return {
    add: (close) => void closes.push(close),
    async letGo() {
      const failures: unknown[] = []
      for (const close of closes.splice(0).toReversed()) {
        try {
          await close()
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
