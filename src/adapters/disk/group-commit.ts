import { OverCapacityError } from '../../kernel/errors.ts'

export interface GroupCommit {
  /** Bytes that wait or are being written. */
  readonly waitingBytes: number
  /** Resolves once it is written. The promises of a group settle in the order of the calls. */
  add(frames: readonly Uint8Array[], bytes: number): Promise<void>
  /** Does something while nothing is being written, once what is there now is. */
  between<T>(work: () => Promise<T>): Promise<T>
}

interface Waiting {
  readonly frames: readonly Uint8Array[]
  readonly bytes: number
  resolve(): void
  reject(error: unknown): void
}

/** What may wait for a device that is slow or hangs, in bytes; a record that is alone may be longer. */
const waitingBytesMax = 67_108_864

/**
 * Writes together what comes in one turn of the event loop, and what comes while others are being written: making it
 * durable takes as long for one as for a thousand.
 */
export function groupCommit({
  write,
  groupBytesMax,
  what,
}: {
  /** All of it or none. */
  readonly write: (frames: readonly Uint8Array[], records: number) => Promise<void>
  readonly groupBytesMax: number
  readonly what: string
}): GroupCommit {
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let last: Promise<unknown> = Promise.resolve()
  let isDue = false

  const between = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }

  const nextGroup = (): readonly Waiting[] => {
    let bytes = 0
    let end = 0
    for (const entry of waiting) {
      bytes += entry.bytes
      if (end > 0 && bytes > groupBytesMax) break
      end += 1
    }
    const group = waiting.slice(0, end)
    waiting = waiting.slice(end)
    return group
  }

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = nextGroup()
      try {
        await write(
          group.flatMap(({ frames }) => frames),
          group.length,
        )
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      for (const { bytes } of group) waitingBytes -= bytes
    }
    isDue = false
  }

  return {
    get waitingBytes() {
      return waitingBytes
    },
    add(frames, bytes) {
      if (waitingBytes > 0 && waitingBytes + bytes > waitingBytesMax)
        return Promise.reject(new OverCapacityError(`what waits for ${what}`, 'waitingBytesMax', waitingBytesMax))
      return new Promise((resolve, reject) => {
        waiting.push({ frames, bytes, resolve, reject })
        waitingBytes += bytes
        if (isDue) return
        isDue = true
        setImmediate(() => void between(flush))
      })
    },
    async between(work) {
      // What was added before in this turn is written first.
      if (isDue) await new Promise((resolve) => setImmediate(resolve))
      return between(work)
    },
  }
}
