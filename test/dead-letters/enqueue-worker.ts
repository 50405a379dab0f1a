/**
 * A process that enqueues the letters whose numbers its parent sends: `enqueue-worker.ts <url> <spill folder> <name>`. It
 * writes a line to stdout for each that was acknowledged, with its number; and `done` when all were, and none of them waits
 * on the disk. It ends with the channel to its parent, however that ends.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { redisDeadLetters } from '../../src/redis.ts'
import { draftOf } from './numbered-draft.ts'

const [url = '', directory = '', name = ''] = process.argv.slice(2)
const queue = redisDeadLetters({ url, spill: { directory }, lettersMax: 100_000 })
process.once('disconnect', () => process.exit())

/** Letters that are enqueued together, and how long it is until the next ones are, in ms: some 250 a second. */
const together = 10
const everyMs = 40

async function enqueue(n: number): Promise<void> {
  for (;;) {
    try {
      await queue.enqueue(draftOf(name, n))
      return void writeSync(1, `${n}\n`)
    } catch (error) {
      // Nothing may be lost; whatever refuses is told of, and asked again.
      writeSync(2, `${name} ${n}: ${String(error)}\n`)
      await sleep(50)
    }
  }
}

const [numbers] = (await once(process, 'message')) as [readonly number[]]
const all: Promise<void>[] = []
for (const n of numbers) {
  all.push(enqueue(n))
  if (all.length % together === 0) await sleep(everyMs)
}
await Promise.all(all)
for (;;) {
  const { spilled } = await queue.stats({ organization: 'nobody' }).catch(() => ({ spilled: Infinity }))
  if (spilled === 0) break
  await sleep(50)
}
await queue.close?.()
writeSync(1, 'done\n')
process.disconnect()
