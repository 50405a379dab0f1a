import type { Letter, Redrive } from 'switchgear'
import { expect, test } from 'vitest'
import { until } from '../servers/until.ts'
import { runCommandHere } from './command-here.ts'
import { type Command, type Ended, startCommand } from './command.ts'
import { lettersOfFile } from './letters-of-file.ts'

const here = lettersOfFile()

const environment = (): Record<string, string> => ({ REDIS_URL: here.node.url, FLEET: 'alerts' })
const start = (...args: string[]): Command => startCommand(['dlq', 'redrive', ...args], environment())
const run = (...args: string[]): Promise<Ended> => runCommandHere(['dlq', 'redrive', ...args], environment())

test('a redrive is started, watched while the workers of a service do it, and ends well when all are delivered', async () => {
  await enqueue(4)
  const command = start('--organization', 'acme', '--rate', '1000')
  const id = idIn(await command.says('is started: 4 letters'))
  await command.says(`job ${id} is running: 0 of 4 done`)
  await work(id, async () => {})
  expect(await command.ended).toMatchObject({ code: 0, stderr: '' })
  expect(command.lines.at(-1)).toBe(`job ${id} is done: 4 of 4 done (4 delivered, 0 failed, 0 parked, 0 skipped)`)
  expect(await here.queue.count()).toBe(0)
  expect(await here.queue.redrives.get(id)).toMatchObject({ ratePerSecond: 1_000 })
})

test('a redrive of which a letter failed ends with 1, and programs have its progress by lines', async () => {
  const [bad] = await enqueue(3)
  const command = start('--all', '--json', '--max', '2', '--max-redrives', '1')
  const { id } = JSON.parse(await command.says('"running"')) as Redrive
  await work(id, (letter) => (letter.id === bad?.id ? Promise.reject(new Error('no')) : Promise.resolve()))
  expect((await command.ended).code).toBe(1)
  const last = JSON.parse(command.lines.at(-1) ?? '') as object
  expect(last).toMatchObject({ id, state: 'done', total: 2, done: 2, delivered: 1, parked: 1, failed: 0, skipped: 0 })
  expect(last).not.toHaveProperty('of')
  expect(await here.queue.get(bad?.id ?? '')).toMatchObject({ parked: true })
})

test('the redrives of an organization are listed, or those that are not over', async () => {
  await enqueue(2)
  const [over] = await here.queue.redrives.start({ organization: 'acme' })
  await here.queue.redrives.cancel(over?.id ?? '')
  const [open] = await here.queue.redrives.start({ organization: 'acme' })
  const list = (...args: string[]): Promise<Ended> => runCommandHere(['dlq', 'redrives', ...args], environment())
  const { code, stdout } = await list('acme', '--json', '--under-way')
  const { items } = JSON.parse(stdout) as { readonly items: readonly Redrive[] }
  expect([code, items.map(({ id }) => id)]).toEqual([0, expect.arrayContaining([open?.id])])
  expect(items.every(({ state }) => state === 'running')).toBe(true)
  const all = (await list('acme')).stdout.split('\n')
  expect(all.find((line) => line.includes(over?.id ?? ''))).toMatch(/ cancelled +0 +2 /)
  expect((await list('nobody')).stdout).toBe('fleet "alerts" has no such redrive')
  for (const { id } of items) await here.queue.redrives.cancel(id)
})

test('Ctrl-C ends the watching and not the job, which can be watched again', async () => {
  const letters = await enqueue(2)
  const command = start(...letters.map(({ id }) => id))
  const id = idIn(await command.says('is started: 2 letters'))
  await command.says('is running')
  command.signal('SIGINT')
  const { code, stderr } = await command.ended
  expect(stderr).toBe(`job ${id} goes on; \`switchgear dlq redrive --job '${id}'\` watches it\n`)
  expect(code).toBe(0)
  const again = start('--job', id)
  await again.says(`job ${id} is running: 0 of 2 done`)
  await work(id, async () => {})
  expect((await again.ended).code).toBe(0)
})

test('a redrive of several organizations is a job each, is started without watching, and is ended', async () => {
  await enqueue(1)
  await here.queue.enqueue({ organization: 'globex', channel: 'sms', messageId: 'm', payload: 1, error: 'no' })
  const { code, stdout } = await run('--all', '--detach')
  const ids = stdout.split('\n').map(idIn)
  expect(code).toBe(0)
  expect(new Set(ids.map((id) => id.split('.')[0]))).toEqual(new Set(['acme', 'globex']))
  const [first = '', second = ''] = ids
  for (let time = 1; time <= 2; time += 1) {
    const cancelled = await run('--cancel', first)
    expect(cancelled).toMatchObject({ code: 0, stderr: '' })
    expect(cancelled.stdout).toContain(`job ${first} is cancelled: 0 of 1 done`)
  }
  expect((await run('--job', first)).code).toBe(1)
  await work(second, async () => {})
  expect((await run('--job', second)).code).toBe(0)
  expect((await run('--cancel', second)).code).toBe(4)
})

test('a Redis that goes away ends the watching with 3', async () => {
  await enqueue(1)
  const command = start('--all', '--deadline', '1s')
  await command.says('is running')
  here.node.freeze()
  try {
    const { code, stderr } = await command.ended
    expect(stderr).toContain('is unavailable')
    expect(code).toBe(3)
  } finally {
    here.node.thaw()
  }
})

let enqueued = 0

/** So many letters, the oldest first, also where they are of the same millisecond. */
async function enqueue(letters: number): Promise<Letter[]> {
  const all: Letter[] = []
  for (let n = 0; n < letters; n += 1) {
    enqueued += 1
    const [id, messageId] = [String(enqueued).padStart(6, '0'), `m${n}`]
    all.push(
      await here.queue.enqueue({ organization: 'acme', channel: 'email', messageId, id, payload: n, error: 'no' }),
    )
  }
  return all
}

/** Works on a job until it is done, as a service does. */
async function work(id: string, to: (letter: Letter) => Promise<void>): Promise<void> {
  const failed: unknown[] = []
  const working = here.queue.redrives.work(id, { to }).subscribe({ error: (error: unknown) => failed.push(error) })
  await until('the redrive to be done', () => (working.closed ? true : undefined), 60_000)
  expect(failed).toEqual([])
}

function idIn(line: string): string {
  return /^job (\S+) is started/.exec(line)?.[1] ?? ''
}
