import type { Cache } from 'switchgear'
import { redisCache } from 'switchgear/redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisNode, startRedisNode } from '../servers/redis-node.ts'
import { until } from '../servers/until.ts'
import { runCommandHere } from './command-here.ts'
import { runCommand, type Ended } from './command.ts'

let node: RedisNode
let caches: readonly Cache[]

beforeAll(async () => {
  node = await startRedisNode()
  caches = ['alerts-a', 'alerts-b'].map((instance) =>
    redisCache({ url: node.url, fleet: 'alerts', instance, deadlineMs: 10_000 }),
  )
})
afterAll(async () => {
  await Promise.all((caches ?? []).map(async (cache) => cache.close?.()))
  await node?.remove()
})

const environment = (): Record<string, string> => ({ REDIS_URL: node.url, FLEET: 'alerts' })
const run = (...args: string[]): Promise<Ended> => runCommandHere(['cache', ...args], environment())

describe('cache invalidate', () => {
  const address = { organization: 'acme\u001b[31m', kind: 'stats', key: 'day' }
  /** What both instances have, when whatever is loaded now is this. */
  const read = (value: number): Promise<readonly number[]> =>
    Promise.all(caches.map((cache) => cache.wrap(address, () => value)))

  test('makes what is cached of an organization invalid for every instance, all or one scope', async () => {
    expect(await read(1)).toEqual([1, 1])
    expect(await run('invalidate', address.organization, '--scope', 'search')).toMatchObject({ code: 0, stderr: '' })
    expect(await read(2)).toEqual([1, 1])
    expect(await run('invalidate', address.organization, '--scope', 'stats')).toEqual({
      code: 0,
      stdout: 'the scope "stats" that fleet "alerts" has cached of "acme\\u{1b}[31m" is no longer valid',
      stderr: '',
    })
    await until('both instances to hear of it', async () => (await read(3)).every((value) => value === 3) || undefined)
    const { code, stdout } = await run('invalidate', address.organization, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ fleet: 'alerts', organization: address.organization, scope: 'all' })
    await until('both instances to hear of it', async () => (await read(4)).every((value) => value === 4) || undefined)
  })

  test('of a scope that there is not is refused', async () => {
    const { code, stderr } = await run('invalidate', 'acme', '--scope', 'everything')
    expect(stderr).toContain('--scope: expected one of all, stats, counts, search (given: "everything")')
    expect(code).toBe(2)
  })
})

describe('cache stats', () => {
  test('is a table of what the instances answer for themselves', async () => {
    const { code, stdout, stderr } = await runCommand(['cache', 'stats'], environment())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = stdout.split('\n')
    expect(rows[0]).toMatch(
      /^INSTANCE +HIT RATE +HITS +STALE +MISSES +LOADS +FAILED +MS A LOAD +FROM REDIS +UNANSWERED +ENTRIES +BYTES$/,
    )
    expect(rows.slice(1).map((row) => row.split(' ')[0])).toEqual(['alerts-a', 'alerts-b'])
  })

  test('by kind adds the instances up', async () => {
    const counts = { organization: 'globex', kind: 'counts', key: 'all' }
    for (const cache of caches) await cache.wrap(counts, () => 7)
    const { stdout } = await run('stats', '--kinds')
    expect(stdout).toMatch(/^KIND +HIT RATE +HITS/)
    expect(stdout).toMatch(/\ncounts +50\.0 % +1 +0 +1 +1 +0 +\d/)
  })

  test('for programs is what each instance says', async () => {
    const { code, stdout } = await run('stats', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      fleet: 'alerts',
      silent: 0,
      instances: [
        { instance: 'alerts-a', stats: { loads: expect.any(Number) as number, kinds: { counts: { misses: 1 } } } },
        { instance: 'alerts-b', stats: { tiers: { shared: { hits: expect.any(Number) as number } } } },
      ],
    })
  })

  test('of a fleet in which nobody answers says so, and ends with 4', async () => {
    expect(await run('stats', '--fleet', 'nobody')).toEqual({
      code: 4,
      stdout: 'no instance of fleet "nobody" has answered',
      stderr: '',
    })
  })
})

describe('a Redis that does not answer', () => {
  test.each([['stats'], ['invalidate', 'acme']])('ends cache %s with 3 and what to do', async (...args) => {
    const gone = await startRedisNode()
    await gone.remove()
    const { code, stderr } = await run(...args, '--redis', gone.url, '--deadline', '500ms')
    expect(stderr).toContain('is Redis running there?')
    expect(code).toBe(3)
  })

  test('since it is frozen does the same', async () => {
    const frozen = await startRedisNode()
    frozen.freeze()
    try {
      for (const args of [['stats'], ['invalidate', 'acme']]) {
        const { code, stderr } = await runCommand(
          ['cache', ...args, '--redis', frozen.url, '--deadline', '500ms'],
          environment(),
        )
        expect(stderr).toContain('is unavailable')
        expect(code).toBe(3)
      }
    } finally {
      frozen.thaw()
      await frozen.remove()
    }
  })
})
