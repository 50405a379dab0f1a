import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { DeadLetters, Letter } from 'switchgear'
import { redisDeadLetters } from 'switchgear/redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisNode, startRedisNode } from '../servers/redis-node.ts'
import { runCommandHere } from './command-here.ts'
import { type Ended, runCommand } from './command.ts'

let node: RedisNode
let client: Redis
let folder: string
const opened: DeadLetters[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-letters-'))
  node = await startRedisNode()
  client = new Redis(node.url)
})
afterAll(async () => {
  for (const queue of opened) await queue.close?.()
  client?.disconnect()
  await node?.remove()
  rmSync(folder, { recursive: true })
})

/** Thousands of letters take their time where others want the processor, too. */
const patiently = ['--deadline', '60s']
const environment = (fleet: string): Record<string, string> => ({ REDIS_URL: node.url, FLEET: fleet })
const run = (fleet: string, args: readonly string[], input?: string): Promise<Ended> =>
  runCommandHere(['dlq', ...args, ...patiently], environment(fleet), input)

test('letters go from one fleet to another as they are, whatever is in them and has happened to them', async () => {
  const [from, to] = [queueOf('from'), queueOf('to')]
  const payload: unknown = JSON.parse(
    '{ "__proto__": { "a": 1 }, "lines": "a\\nb\\u2028c\\u0000\\ud83d\\ude00", "n": -1.5e-7 }',
  )
  const bytes = Buffer.from([0xff, 0xfe, 0x00])
  const payloads = [payload, 'x'.repeat(1_048_576), '\u0001'.repeat(100_000), bytes, null, [[]]]
  for (const [n, each] of payloads.entries()) {
    const attempts = [{ at: 5, error: '\u001b' }]
    const draft = {
      organization: `org ${n}/%`,
      channel: 'e:mail',
      messageId: 'm',
      payload: each,
      error: null,
      attempts,
    }
    const { id } = await from.enqueue(draft)
    if (n % 2 === 0) await from.park([id])
    if (n === 0) await from.edit(id, { payload: 'new', channel: 'sms' })
  }
  const exported = await runCommand(['dlq', 'export', ...patiently], environment('from'))
  expect(exported).toMatchObject({ code: 0, stderr: '' })
  const imported = await run('to', ['import', fileOf(exported.stdout)])
  expect(imported).toEqual({ code: 0, stdout: 'took in 6 letters; there already: 0', stderr: '' })
  const letters = await all(from)
  expect(letters).toHaveLength(6)
  expect(await all(to)).toEqual(letters)
  expect(await to.count({ parked: true })).toBe(3)
})

test('all pages are exported, of a filter too, and an import that was cut off is begun again', async () => {
  const [from, to] = [queueOf('many'), queueOf('copy')]
  await Promise.all(
    Array.from({ length: 2_500 }, (_, n) =>
      from.enqueue({
        organization: n % 5 === 0 ? 'globex' : 'acme',
        channel: 'email',
        messageId: `m${n}`,
        payload: { n },
        error: new Error('no'),
      }),
    ),
  )
  const { stdout } = await run('many', ['export', '--organization', 'acme'])
  const lines = stdout.split('\n')
  expect(lines).toHaveLength(2_000)
  expect((await run('copy', ['import'], lines.slice(0, 700).join('\n'))).stdout).toMatch(
    /^took in 700 letters; there already: 0$/,
  )
  const again = ['dlq', 'import', '-', '--json', ...patiently]
  const rest = await runCommand(again, environment('copy'), `${stdout}\n\n`)
  expect(rest.stderr).toBe('')
  expect(JSON.parse(rest.stdout)).toEqual({ fleet: 'copy', added: 1_300, present: 700, gone: 0 })
  expect(await all(to)).toEqual((await all(from)).filter(({ organization }) => organization === 'acme'))
})

test('what was purged within a day is not taken in again, and the exit code says so', async () => {
  const queue = queueOf('purged')
  const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: 1, error: 'no' }
  const [letter] = [await queue.enqueue(draft), await queue.enqueue(draft)]
  const { stdout } = await run('purged', ['export'])
  await queue.purge([letter.id])
  expect(await run('purged', ['import'], stdout)).toEqual({
    code: 1,
    stdout: 'took in 0 letters; there already: 1\nkept out, since delivered or purged within a day: 1',
    stderr: '',
  })
  expect(await queue.get(letter.id)).toBeUndefined()
})

test('what is no letter ends an import with 2, and says which line it is; those before it are in', async () => {
  const queue = queueOf('wrong')
  const letter = await queue.enqueue({
    organization: 'acme',
    channel: 'email',
    messageId: 'm',
    payload: 1,
    error: 'no',
  })
  const other = { ...letter, id: 'acme.other' }
  const wrong: readonly (readonly [string, string])[] = [
    ['{', 'line 3: is no JSON'],
    ['null', 'line 3: letter: '],
    [JSON.stringify({ ...letter, organization: 'globex' }), 'line 3: letter.id: '],
    [JSON.stringify({ ...letter, mine: 1 }), 'line 3: letter.mine: is not a known option'],
  ]
  for (const [line, says] of wrong) {
    const { code, stdout, stderr } = await run('wrong', ['import'], `${JSON.stringify(other)}\n\n${line}\n`)
    expect(stderr).toContain(says)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  }
  expect(await queue.get('acme.other')).toEqual(other)
  expect((await run('wrong', ['import', '/nowhere'])).stderr).toContain('file: "/nowhere" is no file that can be read')
})

function queueOf(fleet: string): DeadLetters {
  const queue = redisDeadLetters({ connection: client, fleet, deadlineMs: 60_000 })
  opened.push(queue)
  return queue
}

async function all(queue: DeadLetters): Promise<Letter[]> {
  const letters: Letter[] = []
  let cursor: string | undefined
  do {
    const page = await queue.list({}, { limit: 1_000, cursor })
    letters.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return letters
}

function fileOf(text: string): string {
  const file = join(folder, 'letters.jsonl')
  writeFileSync(file, text)
  return file
}
