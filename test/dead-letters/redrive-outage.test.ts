import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type RedriveEvent, UnavailableError } from '../../src/index.ts'
import { redisDeadLetters } from '../../src/redis.ts'
import type { Server } from '../servers/server-process.ts'
import { startRedis } from '../servers/start-redis.ts'
import { until } from '../servers/until.ts'

const letters = 400

function signal({ pid }: Server, name: 'SIGSTOP' | 'SIGCONT'): void {
  if (pid === undefined) throw new Error('a server that others started may not be stopped')
  process.kill(pid, name)
}

test('a redrive waits for a Redis that is frozen, and for one that is killed and started again, and loses nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'letters-'))
  const args = ['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always']
  let server = await startRedis({ args })
  const queue = redisDeadLetters({ url: server.url, deadlineMs: 500 })
  /** For what is no matter of an outage: a busy machine may take longer than half a second. */
  const patient = redisDeadLetters({ url: server.url, deadlineMs: 60_000 })
  onTestFinished(async () => {
    await queue.close?.()
    await patient.close?.()
    await server.stop()
    rmSync(folder, { recursive: true })
  })
  for (let n = 0; n < letters; n += 1)
    await patient.enqueue({
      organization: 'acme',
      channel: 'email',
      messageId: `m${n}`,
      payload: n,
      error: 'x',
      id: `${n}`,
    })

  const sent: string[] = []
  const events: RedriveEvent[] = []
  const ended = queue
    .redrive({}, { to: async ({ id }) => void sent.push(id), ratePerSecond: 50, concurrency: 5 })
    .forEach((event) => events.push(event))
  await until('a quarter to be sent', () => (sent.length >= letters / 4 ? true : undefined))
  signal(server, 'SIGSTOP')
  const beforeFrozen = sent.length
  for (let times = 0; times < 4; times += 1) await expect(queue.count()).rejects.toThrow(UnavailableError)
  const whileFrozen = sent.length
  signal(server, 'SIGCONT')
  await until('half to be sent', () => (sent.length >= letters / 2 ? true : undefined), 20_000)
  const port = Number(new URL(server.url).port)
  await server.kill()
  server = await startRedis({ args, port })
  await ended

  expect(whileFrozen - beforeFrozen).toBeLessThanOrEqual(10)
  expect(new Set(sent).size).toBe(letters)
  expect(sent.length - letters).toBeLessThanOrEqual(10)
  expect(await patient.count()).toBe(0)
  expect(await patient.redrives.list('acme')).toMatchObject([{ state: 'done', done: letters, delivered: letters }])
  const told = events.flatMap((event) => ('letterId' in event ? [event.letterId] : []))
  expect(new Set(told).size).toBe(told.length)
  process.stdout.write(`${sent.length} sendings of ${letters} letters, ${told.length} told of\n`)
})
