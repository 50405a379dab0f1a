/**
 * A program that works on a redrive until it is done: posts each letter to a sink, with the letter's id as the idempotency
 * key, and says on a line what became of each.
 */
import { redisDeadLetters } from '../../src/redis.ts'

const [redis = '', jobId = '', sink = '', concurrency = ''] = process.argv.slice(2)
const queue = redisDeadLetters({ url: redis, deadlineMs: 2_000 })

const events$ = queue.redrives.work(jobId, {
  concurrency: Number(concurrency),
  async to({ id, payload }, { signal }) {
    const headers = { 'idempotency-key': id, 'content-type': 'application/json' }
    const answer = await fetch(sink, { method: 'POST', headers, body: JSON.stringify(payload), signal })
    await answer.arrayBuffer()
    if (!answer.ok) throw Object.assign(new Error(`the sink says ${answer.status}`), { status: answer.status })
  },
})
events$.subscribe({
  next: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
  error(error: unknown) {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  },
  complete: () => void queue.close?.(),
})
