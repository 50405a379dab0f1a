import { OverCapacityError } from 'switchgear'
import { createPace } from './pace.ts'

export interface GroupCommitOptions<Request, Answer> {
  /** Writes several requests at once and answers each, in their order. */
  readonly commit: (requests: readonly Request[]) => Promise<readonly Answer[]>
  /** How much of a batch's room a request takes. */
  readonly sizeOf: (request: Request) => number
  /** What may not stand in the same batch: two requests that share one of these go one after the other. */
  readonly keysOf: (request: Request) => readonly string[]
  /** The room of a batch; a single larger request still goes. Default 1,000. */
  readonly batchMax?: number
  /** The room of all that waits; past it a request is refused. Default 20,000. */
  readonly waitingMax?: number
  /** The least time from the beginning of a write to the next, in ms, so that more share it. Default 0. */
  readonly everyMs?: number
}

/** Puts requests that come while a write is under way into the next one, so that a write is shared by all who wait. */
export interface GroupCommit<Request, Answer> {
  /**
   * Resolves when the request is written.
   * @throws OverCapacityError when too much is waiting; nothing of it is written then.
   */
  submit(request: Request): Promise<Answer>
  /** Resolves when nothing is waiting or being written. */
  idle(): Promise<void>
}

interface Waiting<Request, Answer> {
  readonly request: Request
  readonly size: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export function groupCommit<Request, Answer>(
  options: GroupCommitOptions<Request, Answer>,
): GroupCommit<Request, Answer> {
  const { commit, sizeOf, keysOf, batchMax = 1_000, waitingMax = 20_000, everyMs = 0 } = options
  const turn = createPace(everyMs)
  let waiting: Waiting<Request, Answer>[] = []
  let waitingSize = 0
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      await turn()
      const batch = takeBatch()
      try {
        const answers = await commit(batch.map(({ request }) => request))
        for (const [index, { resolve, reject }] of batch.entries()) {
          const answer = answers[index]
          if (answer === undefined) reject(new Error('the batch gave no answer'))
          else resolve(answer)
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = undefined
  }

  function takeBatch(): readonly Waiting<Request, Answer>[] {
    const batch: Waiting<Request, Answer>[] = []
    const later: Waiting<Request, Answer>[] = []
    const keys = new Set<string>()
    let size = 0
    for (const entry of waiting) {
      const own = keysOf(entry.request)
      const fits = batch.length === 0 || size + entry.size <= batchMax
      if (fits && !own.some((key) => keys.has(key))) {
        batch.push(entry)
        size += entry.size
      } else later.push(entry)
      // Also what has to wait keeps its place before others with the same key.
      for (const key of own) keys.add(key)
    }
    waiting = later
    waitingSize -= size
    return batch
  }

  return {
    submit(request) {
      const size = sizeOf(request)
      if (waitingSize + size > waitingMax && waiting.length > 0)
        return Promise.reject(new OverCapacityError('intake', 'waitingMax', waitingMax))
      waitingSize += size
      return new Promise((resolve, reject) => {
        waiting.push({ request, size, resolve, reject })
        running ??= run()
      })
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}
