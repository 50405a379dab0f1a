import { Queue } from 'bullmq'
import type { Contender } from './harness.ts'

/** Requests under way at once. */
const concurrency = 64

/** Asks so often, some at once. */
export function asking(ask: (call: number) => Promise<unknown>): Contender {
  return async (calls) => {
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < calls) {
        next += 1
        await ask(next)
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, calls) }, worker))
    return calls
  }
}

/** One after the other. */
export function inTurn(ask: () => Promise<number>): Contender {
  return async (calls) => {
    let sum = 0
    for (let call = 0; call < calls; call += 1) sum += await ask()
    return sum
  }
}

/**
 * Jobs that wait, as BullMQ has them: like its failed ones, without an error. It cannot list by error or by queue name
 * together, so what is measured is the first page of all.
 */
export function bullmq(url: string): {
  add(payload: object): Promise<unknown>
  list(jobs: number): Promise<number>
  close(): Promise<void>
} {
  const { hostname: host, port } = new URL(url)
  const queue = new Queue('letters', { connection: { host, port: Number(port) } })
  return {
    add: (payload) => queue.add('letter', payload),
    async list(jobs) {
      const found = await queue.getWaiting(0, jobs - 1)
      if (found.length !== jobs) throw new Error(`BullMQ listed ${found.length} of ${jobs} jobs`)
      return found.length
    },
    close: () => queue.close(),
  }
}
