import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { runCommandHere } from './command-here.ts'
import { runCommand, type Ended } from './command.ts'
import { type Fleet, startFleet, untilMode } from './fleet.ts'

let node: NatsNode
let fleet: Fleet
const ann = { by: 'ann', reason: 'the relay is being replaced' }

beforeAll(async () => {
  node = await startNatsNode()
  fleet = await startFleet(node.url, 'alerts')
  await fleet.trip('smtp')
  await fleet.trip('we ird\u001b[31m.name')
  const [gear] = fleet.gears
  await gear?.breaker('slack').forceOpen({ ...ann, forMs: 600_000 })
  await gear?.breaker('hook').disable(ann)
  await gear?.breaker('mended').forceOpen(ann)
  await gear?.breaker('mended').release({ by: 'bob', reason: 'replaced' })
})
afterAll(async () => {
  await fleet?.close()
  await node?.remove()
})

const environment = (): Record<string, string> => ({ NATS_URL: node.url, FLEET: 'alerts' })
const run = (...args: string[]): Promise<Ended> => runCommandHere(args, environment())

describe('status', () => {
  test('is a table, worst first: since when, why, by whom, and what is next', async () => {
    const { code, stdout, stderr } = await runCommand(['status'], environment())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = stdout.split('\n')
    expect(rows[0]).toMatch(/^BREAKER +STATE +SINCE +FOR +WHY +BY +NEXT$/)
    expect(rows[1]).toMatch(/^slack +forcedOpen +2\S+ \S+Z .* the relay is being replaced +ann +ends in (10|9) min$/)
    expect(rows[2]).toMatch(/^smtp +open .* 5 consecutive failures +worker-1 +probe in (10|9) min$/)
    expect(rows[3]).toMatch(/^we ird\\u\{1b\}\[31m\.name +open /)
    expect(rows[4]).toMatch(/^hook +disabled .* ann +until released$/)
    expect(rows[5]).toMatch(/^mended +closed .* replaced +bob$/)
    expect(rows.slice(6)).toEqual(['', 'fleet "alerts" is linked: 5 breakers, 4 not closed'])
  })

  test('of one breaker shows that one', async () => {
    const { code, stdout } = await run('status', 'smtp')
    expect(code).toBe(0)
    expect(stdout).toContain('1 breaker, 1 not closed')
    expect(stdout).not.toContain('slack')
  })

  test('for programs is one object', async () => {
    const { code, stdout } = await run('status', '--json')
    expect(code).toBe(0)
    const given = z
      .object({ breakers: z.array(z.looseObject({ breaker: z.string() })) })
      .loose()
      .parse(JSON.parse(stdout))
    expect(given).toMatchObject({ fleet: 'alerts', link: 'linked', total: 5, notClosed: 4 })
    expect(given.breakers.find(({ breaker }) => breaker === 'smtp')).toMatchObject({
      mode: 'open',
      scope: 'fleet',
      term: 1,
      by: 'worker-1',
      reason: 'failureThreshold',
      why: '5 consecutive failures',
      counts: { consecutiveFailures: 5 },
      retryAt: expect.any(Number) as number,
      sinceAt: expect.any(Number) as number,
    })
  })

  test('checked, ends with 1 where a breaker, or the one that is named, is not closed', async () => {
    expect((await runCommand(['status', '--check'], environment())).code).toBe(1)
    expect((await run('status', 'smtp', '--check', '--json')).code).toBe(1)
    expect((await run('status', '--check', 'mended')).code).toBe(0)
  })

  test('of a breaker that the log does not know says so, and ends with 4', async () => {
    const { code, stdout } = await run('status', 'nobody', '--check')
    expect(stdout).toContain('its log knows no breaker "nobody"')
    expect(code).toBe(4)
  })
})

describe('history', () => {
  test('says who, when, why and on what counts, newest first', async () => {
    const { code, stdout } = await run('history', 'mended')
    expect(code).toBe(0)
    const rows = stdout.split('\n')
    expect(rows[0]).toMatch(/^TIME +TAKEN +EVENT +CHANGE +BY +WHY +COUNTS +TERM$/)
    expect(rows[1]).toMatch(/Z +yes +released +forcedOpen -> closed +bob +replaced +2$/)
    expect(rows[2]).toMatch(/Z +yes +forcedOpen +closed -> forcedOpen +ann +the relay is being replaced +1$/)
    expect(rows).toHaveLength(3)
    expect((await run('history', 'smtp')).stdout).toMatch(
      /opened +closed -> open +worker-1 +5 consecutive failures +5 calls, 5 failed, 0 slow, 5 in a row +1$/,
    )
  })

  test('for programs has the entries of the log, the newest so many', async () => {
    const { code, stdout } = await run('history', 'mended', '--json', '--limit', '1')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      { seq: expect.any(Number) as number, accepted: true, event: { to: 'closed', fact: { type: 'released' } } },
    ])
  })

  test('that is none says so, and ends with 4', async () => {
    expect(await run('history', 'nobody')).toMatchObject({
      code: 4,
      stdout: 'fleet "alerts" has no history of breaker "nobody"',
    })
    expect(await run('history', 'nobody', '--json')).toMatchObject({ code: 4, stdout: '[]' })
  })
})

describe('an order', () => {
  test('to force open holds on the instances of the fleet, and says who ordered it and until when', async () => {
    const [gear] = fleet.gears
    if (gear === undefined) throw new Error('no instance')
    const seen = untilMode(gear, 'pager', 'forcedOpen')
    const { code, stdout } = await run('force-open', 'pager', '--by', 'ann', '--reason', 'moving', '--for', '10m')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^breaker "pager" is forcedOpen by ann, until 2\S+ \S+Z \((10|9) min\): moving$/)
    await seen
    await expect(gear.breaker('pager').run(() => 'sent')).rejects.toThrow('moving, ordered by ann')
    const released = untilMode(gear, 'pager', 'closed')
    expect(await run('release', 'pager', '--by', 'bob', '--reason', 'moved')).toMatchObject({
      code: 0,
      stdout: 'breaker "pager" is closed by bob: moved',
    })
    await released
    expect(await gear.breaker('pager').run(() => 'sent')).toBe('sent')
  })

  test('to disable, for programs, gives what the fleet has taken', async () => {
    const { code, stdout } = await run('disable', 'text', '--by', 'ann', '--reason', 'it lies', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      breaker: 'text',
      mode: 'disabled',
      by: 'ann',
      reason: 'it lies',
      term: 1,
    })
    expect(await run('release', 'text', '--reason', 'enough')).toMatchObject({ code: 0 })
  })

  test('to release what has none says so, and ends with 4', async () => {
    const { code, stdout } = await run('release', 'smtp', '--by', 'ann', '--reason', 'x')
    expect(stdout).toBe('breaker "smtp" has no order to release; it is open')
    expect(code).toBe(4)
  })

  test('is by the user of the machine unless told', async () => {
    const { code, stdout } = await run('force-open', 'mine', '--reason', 'x', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ by: (await import('node:os')).userInfo().username })
  })

  test('that is too long for the log is refused with its place', async () => {
    const { code, stderr } = await run('force-open', 'smtp', '--by', 'ann', '--reason', 'x'.repeat(1_000))
    expect(stderr).toContain('order.reason')
    expect(code).toBe(2)
  })
})
