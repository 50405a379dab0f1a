import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { newFolder } from './folder.ts'
import { numberOf } from './numbered-record.ts'

const worker = fileURLToPath(new URL('append-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))
const node = [process.execPath, '--import', 'tsx', worker] as const

interface Life {
  /** What was acknowledged. */
  readonly numbers: readonly number[]
  readonly said: string
}

/** One process, until it ends by itself, or is killed so long after its first acknowledgement. */
async function live(command: readonly string[], killAfterMs?: number): Promise<Life> {
  const [program = '', ...args] = command
  const env = { ...process.env, TSX_DISABLE_CACHE: '1' }
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, said] = ['', '']
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const closed = once(child, 'close')
  if (killAfterMs !== undefined) {
    await Promise.race([once(child.stdout, 'data'), closed])
    await sleep(killAfterMs)
    child.kill('SIGKILL')
  }
  await closed
  const lines = out.split('\n').slice(0, -1)
  return { numbers: lines.map(Number), said }
}

async function numbersIn(directory: string, bytes: number): Promise<number[]> {
  const journal = diskJournal({ directory, name: 'spill', isShared: true, bytesMax: 1e9, logger: silentLogger })
  const numbers: number[] = []
  for await (const part of journal.parts())
    for await (const records of part.batches()) numbers.push(...records.map((record) => numberOf(record, bytes)))
  await journal.close()
  return numbers
}

test('what was acknowledged is there, once and whole, after kill -9 at any moment, again and again', async () => {
  const bytes = 30_000
  const directory = newFolder()
  const acknowledged: number[] = []
  for (let life = 0; life < 5; life += 1) {
    const from = life * 1_000_000
    const { numbers, said } = await live([...node, directory, String(from), String(bytes), '1e9'], Math.random() * 150)
    expect(said).toBe('')
    acknowledged.push(...numbers)
    const there = await numbersIn(directory, bytes)
    const known = new Set(there)
    expect(known.size).toBe(there.length)
    expect(acknowledged.filter((n) => !known.has(n))).toEqual([])
  }
  expect(acknowledged.length).toBeGreaterThan(100)
})

test('a disk that takes no more refuses by name, half a record is cut off, and the next that fits is taken', async () => {
  // As long as a file may be, in blocks of 512 or 1,024 bytes: what it takes of a longer one it takes, and then says so.
  const directory = newFolder()
  const command = ['sh', '-c', 'ulimit -f 200 && exec "$@"', 'sh', ...node, directory, '0', '20000', '100']
  const { numbers, said } = await live(command)
  const refused = said.split('\n').slice(0, -1)
  expect(refused.length).toBeGreaterThan(3)
  for (const line of refused) expect(line).toMatch(/^\d+ UnavailableError: the journal in .* is unavailable: EFBIG/)
  expect(said).toContain(directory)
  expect(numbers.length + refused.length).toBe(100)
  expect(Math.max(...numbers)).toBeGreaterThan(Number.parseInt(refused[0] ?? '', 10))
  expect((await numbersIn(directory, 20_000)).toSorted((a, b) => a - b)).toEqual(numbers.toSorted((a, b) => a - b))
})
