import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { diskDeadLetters } from '../../src/factories/disk-dead-letters.ts'
import { newFolder } from '../adapters/disk/folder.ts'
import { until } from '../servers/until.ts'

const worker = fileURLToPath(new URL('disk-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a process said that it has done, until it was killed while its journal was written anew. */
async function live(directory: string, prefix: string): Promise<readonly string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', worker, directory, prefix], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  const closed = once(child, 'close')
  const drafts = (): boolean | undefined => readdirSync(directory).some((name) => name.endsWith('.draft')) || undefined
  try {
    await until('the journal to be written anew', drafts, 30_000)
    await sleep(Math.random() * 60)
  } finally {
    child.kill('SIGKILL')
    await closed
  }
  return out.split('\n').slice(0, -1)
}

test('letters on disk survive kill -9 while their journal is written anew: what is kept is there, what was purged is not', async () => {
  const directory = newFolder()
  const kept = new Set<string>()
  const gone = new Set<string>()
  for (let life = 0; life < 5; life += 1) {
    for (const line of await live(directory, String(life))) {
      const id = `acme.${line.slice(1)}`
      if (line.startsWith('+')) kept.add(id)
      else kept.delete(id)
      if (line.startsWith('-')) gone.add(id)
    }
    const queue = diskDeadLetters({ directory })
    for (const id of kept) expect(await queue.get(id), id).toMatchObject({ id })
    for (const id of gone) expect(await queue.get(id), id).toBe(undefined)
    const { items } = await queue.list({}, { limit: 1_000 })
    expect(await queue.count()).toBe(items.length)
    await queue.close?.()
  }
  expect(gone.size).toBeGreaterThan(10)
})
