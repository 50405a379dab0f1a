import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Letter, LetterFilter } from '../../src/ports/dead-letters.ts'
import { redisDeadLetters } from '../../src/redis.ts'
import type { DeadLetters } from '../../src/streams/dead-letters/dead-letter-queue.ts'
import { newFolder } from '../adapters/disk/folder.ts'
import type { Server } from '../servers/server-process.ts'
import { startRedis } from '../servers/start-redis.ts'
import { until } from '../servers/until.ts'
import { sized } from '../sized.ts'
import { draftOf } from './numbered-draft.ts'

const perProcess = sized(1_000, 2_500)
const names = ['p0', 'p1', 'p2', 'p3'] as const
const letters = perProcess * names.length
const worker = fileURLToPath(new URL('enqueue-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

/** A process that enqueues its letters, one life after the other. */
interface Enqueuer {
  /** Numbers of the letters that it was told are kept. */
  readonly acknowledged: ReadonlySet<number>
  readonly isDone: boolean
  start(): void
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>
}

function enqueuer(name: string, url: string, directory: string): Enqueuer {
  const acknowledged = new Set<number>()
  let child: ChildProcess | undefined
  let isDone = false
  return {
    acknowledged,
    get isDone() {
      return isDone
    },
    start() {
      const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const
      child = fork(worker, [url, directory, name], { cwd: root, execArgv: ['--import', 'tsx'], stdio: [...stdio] })
      if (child.stdout === null) throw new Error('a process without output')
      createInterface(child.stdout).on('line', (line) => {
        if (line === 'done') isDone = true
        else acknowledged.add(Number(line))
      })
      // Never again one that was acknowledged: it must be there without that.
      child.send(Array.from({ length: perProcess }, (_, n) => n).filter((n) => !acknowledged.has(n)))
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** A Redis that keeps what it acknowledged, whatever becomes of it. */
function keeping(directory: string, port?: number): Promise<Server> {
  const args = ['--dir', directory, '--appendonly', 'yes', '--appendfsync', 'always']
  return startRedis({ args, ...(port === undefined ? {} : { port }) })
}

function signal({ pid }: Server, signal: NodeJS.Signals): void {
  if (pid === undefined) throw new Error('a server that these tests did not start')
  process.kill(pid, signal)
}

async function all(queue: DeadLetters, filter: LetterFilter = {}): Promise<Letter[]> {
  const letters: Letter[] = []
  let cursor: string | undefined
  do {
    const page = await queue.list(filter, { limit: 1_000, cursor })
    letters.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return letters
}

test(`${letters} letters of 4 processes are there once each, while Redis is killed, frozen and restarted, and 2 of them too`, async () => {
  const [data, spill] = [newFolder(), newFolder()]
  let redis = await keeping(data)
  onTestFinished(() => redis.stop())
  const { url } = redis
  const port = Number(new URL(url).port)
  const processes = names.map((name) => enqueuer(name, url, spill))
  onTestFinished(async () => void (await Promise.all(processes.map((process) => process.kill()))))
  const [, second, third] = processes
  if (second === undefined || third === undefined) throw new Error('four processes')
  const acknowledged = (): number => processes.reduce((sum, process) => sum + process.acknowledged.size, 0)
  const atLeast = (share: number): Promise<unknown> =>
    until(`${share} of all to be acknowledged`, () => (acknowledged() >= share * letters ? true : undefined), 60_000)

  for (const process of processes) process.start()
  await atLeast(0.05)
  signal(redis, 'SIGSTOP')
  await atLeast(0.2)
  const isSpilled = (): boolean => readdirSync(join(spill, 'default')).some((name) => name.endsWith('.journal'))
  await until('letters to be on the disk', () => isSpilled() || undefined, 60_000)
  await second.kill()
  signal(redis, 'SIGCONT')
  await atLeast(0.25)
  await redis.kill()
  second.start()
  await atLeast(0.5)
  redis = await keeping(data, port)
  await atLeast(0.6)
  await redis.kill()
  await atLeast(0.7)
  await third.kill()
  redis = await keeping(data, port)
  await sleep(300)
  third.start()
  await until('all to be done', () => (processes.every(({ isDone }) => isDone) ? true : undefined), 60_000)

  const queue = redisDeadLetters({ url, deadlineMs: 60_000 })
  onTestFinished(() => queue.close?.())
  const kept = await all(queue)
  const expected = names.flatMap((name) => Array.from({ length: perProcess }, (_, n) => draftOf(name, n)))
  expect(kept.length).toBe(expected.length)
  const byMessage = new Map(kept.map((letter) => [letter.messageId, letter]))
  for (const { messageId, organization, channel, payload } of expected)
    expect(byMessage.get(messageId)).toMatchObject({ organization, channel, payload, redriveCount: 0 })
  await agree(queue, kept)
}, 120_000)

/** Counts, filters and stats say the same as the letters. */
async function agree(queue: DeadLetters, letters: readonly Letter[]): Promise<void> {
  expect(await queue.count()).toBe(letters.length)
  const { total, spilled, rows } = await queue.stats()
  expect([total, spilled]).toEqual([letters.length, 0])
  expect(rows.reduce((sum, row) => sum + row.count, 0)).toBe(letters.length)
  expect(rows.length).toBe(27)
  for (const { organization, channel, errorType, count } of rows) {
    const own = letters.filter(
      (letter) => letter.organization === organization && letter.channel === channel && letter.errorType === errorType,
    )
    expect(count).toBe(own.length)
    const filter = { organization, channel, errorType }
    expect(await queue.count(filter)).toBe(count)
    expect(new Set((await all(queue, filter)).map(({ id }) => id))).toEqual(new Set(own.map(({ id }) => id)))
  }
}
