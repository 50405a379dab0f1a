import { createServer } from 'node:net'
import type { Letter, LetterDraft } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { runCommandHere } from './command-here.ts'
import { type Ended, runCommand } from './command.ts'
import { lettersOfFile } from './letters-of-file.ts'

const here = lettersOfFile()

const environment = (): Record<string, string> => ({ REDIS_URL: here.node.url, FLEET: 'alerts' })
const run = (args: readonly string[], input?: string): Promise<Ended> =>
  runCommandHere(['dlq', ...args], environment(), input)

const draft: LetterDraft = {
  organization: 'acme',
  channel: 'email',
  messageId: 'm',
  payload: { to: 'anne' },
  error: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  attempts: [
    { at: Date.UTC(2026, 10, 24, 10), error: 'connect ECONNREFUSED' },
    { at: Date.UTC(2026, 10, 24, 10, 0, 1), error: 'connect ECONNREFUSED' },
  ],
}

describe('letters', () => {
  test('are listed newest first, a page at a time, with what says why', async () => {
    const letters = await enqueue(3)
    const { code, stdout, stderr } = await runCommand(['dlq', 'ls', '--limit', '2'], environment())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/^ID +AGE +ORGANIZATION +CHANNEL +TYPE +TRIES +REDRIVES +PARKED +ERROR$/)
    const first = new RegExp(
      `^${letters[2]?.id} +\\S+ \\S+ +acme +email +connection +2 +0 +Error: connect ECONNREFUSED$`,
    )
    expect(lines[1]).toMatch(first)
    expect(lines).toHaveLength(5)
    const next = /^more with --cursor '(\S+)'$/.exec(lines[4] ?? '')?.[1] ?? ''
    const rest = await run(['ls', '--json', '--cursor', next])
    expect(JSON.parse(rest.stdout)).toMatchObject({ fleet: 'alerts', items: [letters[0]] })
    expect(rest.stdout).not.toContain('"next"')
  })

  test('are a letter a line for programs that want all of them', async () => {
    const letters = await enqueue(5)
    const { code, stdout } = await run(['ls', '--all', '--json', '--limit', '2'])
    expect(code).toBe(0)
    expect(stdout.split('\n').map((line) => JSON.parse(line) as Letter)).toEqual(letters.toReversed())
  })

  test('are found by everything that a filter asks for, and counted', async () => {
    const [first, second] = await enqueue(2)
    await here.queue.enqueue({ ...draft, channel: 'slack', error: new Error('odd') })
    await here.queue.enqueue({ ...draft, organization: 'globex' })
    await here.queue.park([first?.id ?? ''])
    const found = async (...filter: string[]): Promise<number> => {
      const { stdout } = await run(['count', '--json', ...filter])
      return (JSON.parse(stdout) as { count: number }).count
    }
    expect(await found()).toBe(4)
    expect(await found('--organization', 'acme')).toBe(3)
    expect(await found('--organization', 'acme', '--channel', 'email', '--type', 'connection')).toBe(2)
    expect(await found('--text', 'ODD')).toBe(1)
    expect(await found('--parked')).toBe(1)
    expect(await found('--not-parked', '--since', '1h')).toBe(3)
    expect(await found('--until', '1h')).toBe(0)
    expect(await found('--since', new Date(second?.createdAt ?? 0).toISOString())).toBeGreaterThanOrEqual(3)
    expect(await found('--since', '2026-11-24', '--until', '2026-11-24 10:00Z')).toBe(0)
    expect(await run(['count', '--organization', 'acme'])).toEqual({ code: 0, stdout: '3', stderr: '' })
  })

  test('are counted by organization, channel and error type, with the age of the oldest', async () => {
    await enqueue(2)
    const { id } = await here.queue.enqueue({ ...draft, channel: 'slack' })
    await here.queue.park([id])
    const { code, stdout } = await run(['stats'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ORGANIZATION +CHANNEL +TYPE +LETTERS +OLDEST\nacme +email +connection +2 +\S+ m?s\n/)
    expect(stdout).toMatch(/\n\n3 letters, 1 of them parked$/)
    const programs = JSON.parse((await run(['stats', '--json', '--parked'])).stdout) as object
    expect(programs).toMatchObject({ fleet: 'alerts', total: 1, parked: 1, rows: [{ channel: 'slack', count: 1 }] })
    expect(programs).not.toHaveProperty('spilled')
  })

  test('of which there are none are an answer', async () => {
    expect(await run(['ls'])).toEqual({ code: 0, stdout: 'fleet "alerts" has no such dead letter', stderr: '' })
    expect(JSON.parse((await run(['ls', '--json'])).stdout)).toMatchObject({ items: [] })
    expect((await run(['stats'])).code).toBe(0)
    expect((await run(['count'])).stdout).toBe('0')
  })
})

describe('a letter', () => {
  test('is shown whole, with what its edits replaced', async () => {
    const [{ id } = draft] = await enqueue(1)
    await here.queue.edit(id ?? '', { channel: 'sms', payload: { to: 'ann' } })
    const { code, stdout } = await run(['show', id ?? ''])
    expect(code).toBe(0)
    for (const part of [
      /^id +acme\./,
      /\nchannel +sms\n/,
      /\nerror +Error: connect ECONNREFUSED \(ECONNREFUSED\)\n/,
      /\ntries +2, and 0 redrives\n/,
      /\nversion +2\n/,
      /\nattempts\n {2}2026-11-24 10:00:00Z {2}connect ECONNREFUSED\n/,
      /\npayload\n {2}\{\n {4}"to": "ann"\n {2}\}\n/,
      /\nbefore the edit of \S+ \S+Z\n {2}version +1\n {2}channel +email\n {2}\{\n {4}"to": "anne"\n {2}\}$/,
    ])
      expect(stdout).toMatch(part)
    expect(JSON.parse((await run(['show', id ?? '', '--json'])).stdout)).toEqual(await here.queue.get(id ?? ''))
  })

  test('is edited from a file or the standard input, and only in the version that was seen', async () => {
    const [letter] = await enqueue(1)
    const id = letter?.id ?? ''
    const edited = await run(['edit', id, '--payload', '-', '--channel', 'sms', '--version', '1'], '{ "to": "ann" }')
    expect(edited).toEqual({ code: 0, stdout: `letter "${id}" is version 2, for channel "sms"`, stderr: '' })
    expect(await here.queue.get(id)).toMatchObject({ payload: { to: 'ann' }, channel: 'sms', version: 2 })
    const late = await run(['edit', id, '--channel', 'email', '--version', '1'])
    expect(late.stderr).toContain('version: expected 2, which the letter has (given: 1)')
    expect(late.code).toBe(2)
    const long = await run(['edit', id, '--payload', '-'], JSON.stringify('x'.repeat(1_048_577)))
    expect(long.stderr).toContain('--payload: the payload of a dead letter: bodyBytesMax is 1048576')
    expect(long.code).toBe(2)
    expect((await run(['edit', id, '--payload', '-'], '{')).stderr).toContain('--payload: "-" is no JSON')
    expect((await run(['edit', id, '--payload', '/nowhere'])).stderr).toContain('"/nowhere" is no file')
    expect((await here.queue.get(id))?.version).toBe(2)
  })

  test('that is not there ends a command with 4', async () => {
    const commands = [
      ['show', 'acme.1'],
      ['edit', 'acme.1', '--channel', 'x'],
      ['park', 'acme.1'],
      ['purge', 'acme.1'],
      ['redrive', '--job', 'acme.1'],
      ['redrive', '--cancel', 'acme.1'],
      ['redrive', '--channel', 'none'],
    ]
    for (const { code, stdout } of await Promise.all(commands.map((args) => run(args)))) {
      expect(stdout).toMatch(/^fleet "alerts" has no /)
      expect(code).toBe(4)
    }
  })

  test('may say what it likes: nothing of it reaches the terminal', async () => {
    const evil = '\u001b[31m\u009b2J\u202e\u0007\r'
    const { id } = await here.queue.enqueue({
      ...draft,
      ...{ organization: `a${evil}`, channel: evil, messageId: evil, id: `b${evil}'` },
      payload: { [evil]: evil },
      error: new Error(evil),
      attempts: [{ at: 0, error: evil }],
    })
    await here.queue.edit(id, { payload: evil, channel: `${evil}2` })
    const all = [['ls'], ['ls', '--json'], ['show', id], ['show', id, '--json'], ['stats'], ['export'], ['park', id]]
    const ended = await Promise.all([...all, ['show', `${id}?`]].map((args) => run(args)))
    for (const { stdout, stderr } of ended) expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
    expect(JSON.parse((await run(['show', id, '--json'])).stdout)).toMatchObject({ id, payload: evil })
  })
})

describe('letters are changed', () => {
  test('by their ids, or by a filter once it is confirmed', async () => {
    const letters = await enqueue(3)
    const ids = letters.map(({ id }) => id)
    expect(await run(['park', ...ids.slice(0, 2)])).toEqual({ code: 0, stdout: 'parked 2 letters', stderr: '' })
    expect((await run(['park', '--organization', 'acme', '--dry-run'])).stdout).toBe('would park 1 letter')
    const asked = await run(['park', '--organization', 'acme'])
    expect(asked.stderr).toContain('--yes: it is needed to park 1 letter of fleet "alerts"')
    expect(asked.code).toBe(2)
    expect(await here.queue.count({ parked: true })).toBe(2)
    expect((await run(['park', '--organization', 'acme', '--yes'])).stdout).toBe('parked 1 letter')
    expect((await run(['unpark', ...ids.slice(0, 1), '--dry-run'])).stdout).toBe('would unpark 1 letter')
    const unparked = await run(['unpark', '--all', '--yes', '--json'])
    expect(JSON.parse(unparked.stdout)).toEqual({ fleet: 'alerts', letters: 3, dryRun: false })
    expect(await here.queue.count({ parked: true })).toBe(0)
  })

  test('and removed, which has to be said', async () => {
    const [first] = await enqueue(3)
    expect((await run(['purge', '--all', '--dry-run'])).stdout).toBe('would remove 3 letters')
    for (const which of [['--channel', 'email'], [first?.id ?? '']]) {
      const { code, stderr } = await run(['purge', ...which])
      expect(stderr).toContain(
        `--yes: it is needed to remove ${which.length === 1 ? '1 letter' : '3 letters'} of fleet`,
      )
      expect(code).toBe(2)
    }
    expect(await here.queue.count()).toBe(3)
    expect((await run(['purge', first?.id ?? '', '--yes'])).stdout).toBe('removed 1 letter')
    expect(JSON.parse((await run(['purge', '--all', '--yes', '--json'])).stdout)).toMatchObject({ letters: 2 })
    expect(await here.queue.count()).toBe(0)
  })
})

describe('a Redis that cannot be asked', () => {
  const all = [
    ['ls'],
    ['show', 'acme.1'],
    ['count'],
    ['stats', '--parked'],
    ['edit', 'acme.1', '--channel', 'sms'],
    ['redrive', '--all'],
    ['redrive', '--job', 'acme.1'],
    ['redrive', '--cancel', 'acme.1'],
    ['park', 'acme.1'],
    ['unpark', '--all', '--yes'],
    ['purge', '--all', '--yes'],
    ['export'],
    ['import'],
  ]

  test('ends every command with 3 within its deadline, and one line that says what to do', async () => {
    const redis = `redis://ann:hunter2@127.0.0.1:${await freePort()}`
    const check = ({ code, stdout, stderr }: Ended): void => {
      expect(stderr).toMatch(/127\.0\.0\.1:\d+, fleet "alerts" is unavailable: .*ECONNREFUSED.* \(waited 1 s at most\)/)
      expect(stderr).not.toContain('hunter2')
      expect(stderr.trimEnd().split('\n')).toHaveLength(1)
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    }
    const [letter] = await enqueue(1)
    const away = ['--redis', redis, '--deadline', '1s']
    const ended = await Promise.all(all.map((args) => run([...args, ...away], JSON.stringify(letter))))
    for (const each of ended) check(each)
  })

  test('and freezes ends a command with 3, and leaves no process behind', async () => {
    here.node.freeze()
    try {
      const { code, stderr } = await runCommand(['dlq', 'ls', '--deadline', '500ms', '--json'], environment())
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'SWITCHGEAR_UNAVAILABLE' } })
      expect(code).toBe(3)
    } finally {
      here.node.thaw()
    }
  })
})

let enqueued = 0

/** So many letters, the oldest first, also where they are of the same millisecond. */
async function enqueue(letters: number): Promise<Letter[]> {
  const all: Letter[] = []
  for (let n = 0; n < letters; n += 1) {
    enqueued += 1
    all.push(await here.queue.enqueue({ ...draft, messageId: `m${n}`, id: String(enqueued).padStart(6, '0') }))
  }
  return all
}

/** A port that nobody listens on: somebody did a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
