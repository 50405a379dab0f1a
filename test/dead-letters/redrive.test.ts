import { expect, onTestFinished, test } from 'vitest'
import { redisDeadLetters } from '../../src/redis.ts'
import { startRedis } from '../servers/start-redis.ts'
import { until } from '../servers/until.ts'
import { sized } from '../sized.ts'
import { startSink, startWorker } from './redrive-processes.ts'

const letters = 1_000
const ratePerSecond = 40
const concurrency = 10

const isPoison = (key: string): boolean => key.endsWith('7')
const poisoned = letters / 10

test('1,000 letters are redriven by three processes, one of which is killed halfway, each once and at the rate', async () => {
  const [server, sink] = await Promise.all([startRedis(), startSink(isPoison)])
  const queue = redisDeadLetters({ url: server.url, deadlineMs: 60_000 })
  onTestFinished(async () => {
    await queue.close?.()
    await Promise.all([server.stop(), sink.close()])
  })
  const error = Object.assign(new Error('down'), { code: 'ECONNREFUSED' })
  const drafts = Array.from({ length: letters }, (_, n) => {
    return { organization: 'acme', channel: 'webhook', messageId: `m${n}`, payload: { n }, error, id: String(n) }
  })
  for (let n = 0; n < letters; n += 100)
    await Promise.all(drafts.slice(n, n + 100).map((draft) => queue.enqueue(draft)))

  const [job] = await queue.redrives.start({ organization: 'acme' }, { ratePerSecond, maxRedrives: 1 })
  const jobId = job?.id ?? ''
  expect(job?.total).toBe(letters)
  const workers = [1, 2, 3].map(() => startWorker(server.url, jobId, sink.url, concurrency))
  const [victim, ...others] = workers
  await until('half of the letters to be sent', () => (sink.seen.length >= letters / 2 ? true : undefined), 120_000)
  victim?.kill()
  expect(await victim?.ended).toBe(null)
  for (const { ended } of others) expect(await ended).toBe(0)

  expect(await queue.redrives.get(jobId)).toMatchObject({
    state: 'done',
    total: letters,
    done: letters,
    delivered: letters - poisoned,
    parked: poisoned,
    failed: 0,
    skipped: 0,
  })
  expect(new Set(sink.seen.map(({ key }) => key)).size).toBe(letters)
  // What the killed one had in its hands, and no more, may have been sent before.
  expect(sink.seen.length - letters).toBeLessThanOrEqual(concurrency)
  expect([await queue.count(), await queue.count({ parked: true })]).toEqual([poisoned, poisoned])
  for (const { items } of [await queue.list({}, { limit: 1_000 })])
    for (const { id, redriveCount, errorType } of items)
      expect([isPoison(id), redriveCount, errorType]).toEqual([true, 1, 'rejected'])

  for (const { events, stderr } of workers) {
    expect(stderr).toBe('')
    expect(events.length).toBeGreaterThan(letters / 10)
  }
  const told = workers.flatMap(({ events }) => events.flatMap((event) => ('letterId' in event ? [event.letterId] : [])))
  expect(new Set(told).size).toBe(told.length)
  expect(letters - told.length).toBeLessThanOrEqual(concurrency)

  const [first = 0, last = 0] = [sink.seen[0]?.at, sink.seen.at(-1)?.at]
  const rate = ((sink.seen.length - 1) / (last - first)) * 1_000
  process.stdout.write(`asked for ${ratePerSecond} letters a second, got ${rate.toFixed(2)}\n`)
  expect(rate).toBeLessThanOrEqual(ratePerSecond * 1.05)
  // How much slower is a question of the machine, and a figure for the proof.
  expect(rate).toBeGreaterThanOrEqual(ratePerSecond * sized(0.1, 0.95))
})
