import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Limiter } from 'switchgear'
import { redisLimiter } from 'switchgear/redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisNode, startRedisNode } from '../servers/redis-node.ts'
import { runCommandHere } from './command-here.ts'
import { runCommand, type Ended } from './command.ts'

const limits = { email: { limit: 50, windowMs: 3_600_000 }, alerts: { limit: 100, windowMs: 60_000 } }
let node: RedisNode
let limiter: Limiter
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-limits-'))
  node = await startRedisNode()
  limiter = redisLimiter({ url: node.url, fleet: 'alerts', limits, deadlineMs: 10_000 })
  await inTurn(60, () => limiter.check('acme', 'email'))
  await inTurn(7, () => limiter.check('globex', 'email'))
  await limiter.suggest()
})
afterAll(async () => {
  await limiter?.close?.()
  await node?.remove()
  rmSync(folder, { recursive: true })
})

const environment = (): Record<string, string> => ({ REDIS_URL: node.url, FLEET: 'alerts' })
const run = (...args: string[]): Promise<Ended> => runCommandHere(['limits', ...args], environment())

describe('limits suggest', () => {
  test('is a table of what the fleet recorded, also for who knows no limits', async () => {
    const { code, stdout, stderr } = await runCommand(['limits', 'suggest'], environment())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = stdout.split('\n')
    expect(rows[0]).toMatch(
      /^NAME +LIMIT +WINDOW +ASKED +REFUSED +PEAK +SUGGESTED +WOULD REFUSE +BY OWN LIMITS +SINCE$/,
    )
    expect(rows[1]).toMatch(/^email +50 +1h +67 +10 +60 +72 +0 +0 +2\d{3}-\S+ \S+Z$/)
    expect(rows).toHaveLength(2)
  })

  test('for programs is one object, and a file of limits says which', async () => {
    const { code, stdout } = await run('suggest', '--json', '--limits', fileOf({ alerts: limits.alerts }))
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      fleet: 'alerts',
      limits: [
        { name: 'alerts', asked: 0, suggested: 100, scope: 'fleet' },
        { name: 'email', limit: 50, windowMs: 3_600_000, asked: 67, refused: 10, peak: 60, suggested: 72 },
      ],
    })
  })

  test('of a fleet that used none says so, and ends with 4', async () => {
    expect(await run('suggest', '--fleet', 'nobody')).toEqual({
      code: 4,
      stdout: 'fleet "nobody" has no use of its limits recorded',
      stderr: '',
    })
  })
})

describe('the limits of an organization', () => {
  test('are shown with what is left, without booking anything', async () => {
    for (let time = 1; time <= 2; time += 1) {
      const { code, stdout } = await run('show', 'globex')
      expect(code).toBe(0)
      expect(stdout.split('\n')[0]).toMatch(/^NAME +LIMIT +WINDOW +LEFT +ALL LEFT IN +INSTEAD OF$/)
      expect(stdout.split('\n')[1]).toMatch(/^email +50 +1h +43 +(60|59) min$/)
    }
    const { stdout } = await run('show', 'nobody\u001b[31m', '--json', '--limits', fileOf(limits))
    expect(JSON.parse(stdout)).toMatchObject({
      organization: 'nobody\u001b[31m',
      limits: [
        { name: 'email', remaining: 50, resetMs: 0, overridden: false },
        { name: 'alerts', remaining: 100 },
      ],
    })
  })

  test('are overridden for every instance, and that is taken back', async () => {
    expect(await run('override', 'initech', 'email', '--limit', '500', '--window', '2h')).toEqual({
      code: 0,
      stdout: 'limit "email" of "initech" is its own: 500 in 2h, 500 left',
      stderr: '',
    })
    expect(await limiter.check('initech', 'email')).toMatchObject({ limits: [{ limit: 500, windowMs: 7_200_000 }] })
    expect((await run('show', 'initech')).stdout).toMatch(/email +500 +2h +499 +3 h +50 in 1h$/)
    const { stdout } = await run('override', 'initech', 'email', '--none', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ name: 'email', limit: 50, windowMs: 3_600_000, overridden: false })
    expect(await limiter.check('initech', 'email')).toMatchObject({ limits: [{ limit: 50 }] })
  })

  test('that there is none of are not changed', async () => {
    const { code, stderr } = await run('override', 'acme', 'emial', '--none')
    expect(stderr).toContain('there is no limit "emial"; there are email')
    expect(code).toBe(2)
    expect((await run('reset', 'acme', 'emial')).code).toBe(2)
  })

  test('are reset, under one name or all, and those of its own stay', async () => {
    await limiter.override('hooli', { email: { limit: 2, windowMs: 3_600_000 } })
    await inTurn(3, () => limiter.check('hooli', 'email'))
    expect(await run('reset', 'hooli', 'email')).toEqual({
      code: 0,
      stdout: 'what "hooli" was granted is forgotten: email',
      stderr: '',
    })
    expect(await limiter.peek('hooli', 'email')).toMatchObject({ limits: [{ limit: 2, remaining: 2 }] })
    const { stdout } = await run('reset', 'hooli', '--json', '--limits', fileOf(limits))
    expect(JSON.parse(stdout)).toEqual({ fleet: 'alerts', organization: 'hooli', names: ['email', 'alerts'] })
  })
})

describe('a Redis that cannot be asked', () => {
  test('ends a command with 3 within its deadline, and one line that says what to do', async () => {
    const redis = `redis://ann:hunter2@127.0.0.1:${await freePort()}`
    const all = [['suggest'], ['show', 'acme'], ['reset', 'acme'], ['override', 'acme', 'email', '--none']]
    for (const args of all) {
      const { code, stdout, stderr } = await run(...args, '--redis', redis, '--deadline', '1s')
      expect(stderr).toMatch(/127\.0\.0\.1:\d+, fleet "alerts" is unavailable: .*ECONNREFUSED.* \(waited 1 s at most\)/)
      expect(stderr).toContain('is Redis running there?')
      expect(stderr).not.toContain('hunter2')
      expect(stderr.trimEnd().split('\n')).toHaveLength(1)
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    }
  })

  test('and keeps us out says what to check', async () => {
    const closed = await startRedisNode()
    try {
      const client = new Redis(closed.url)
      await client.config('SET', 'requirepass', 'open sesame')
      client.disconnect()
      const { code, stderr } = await run('suggest', '--json', '--redis', closed.url)
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'SWITCHGEAR_UNAVAILABLE' } })
      expect(stderr).toContain('check the user and the password')
      expect(code).toBe(3)
      const url = closed.url.replace('//', '//:open%20sesame@')
      expect((await run('suggest', '--redis', url)).code).toBe(4)
    } finally {
      await closed.remove()
    }
  })

  test('and freezes ends a command with 3, and leaves no process behind', async () => {
    node.freeze()
    try {
      const { code, stderr } = await runCommand(['limits', 'show', 'acme', '--deadline', '500ms'], environment())
      expect(stderr).toContain('is unavailable')
      expect(code).toBe(3)
    } finally {
      node.thaw()
    }
  })
})

function fileOf(value: unknown): string {
  const file = join(folder, 'limits.json')
  writeFileSync(file, JSON.stringify(value))
  return file
}

async function inTurn(times: number, act: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) await act()
}

/** A port that nobody listens on: somebody did a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
