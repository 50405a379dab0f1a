/** What is being done, to be waited for. */
export interface UnderWay {
  /** Gives it back as it is; its failure is its caller's to see. */
  track<T>(work: Promise<T>): Promise<T>
  /** Resolves when nothing is being done. */
  idle(): Promise<void>
}

export function underWay(): UnderWay {
  const all = new Set<Promise<unknown>>()
  return {
    track(work) {
      all.add(work)
      const done = (): void => void all.delete(work)
      work.then(done, done)
      return work
    },
    async idle() {
      while (all.size > 0) await Promise.allSettled(all)
    },
  }
}
