import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Limits } from '../../../src/ports/limiter.ts'
import { startRedisNode } from '../../servers/redis-node.ts'
import { ExactWindow } from './exact-window.ts'
import type { HammerTask } from './hammer.ts'
import { readRecord, type Recorded } from './recorded-script.ts'

const program = fileURLToPath(new URL('hammer.ts', import.meta.url))
const processes = 4
/** 100,000 on demand. Few of them see few windows, and an edge that they end before weighs more. */
const checks = Number(process.env['SWITCHGEAR_CHECKS'] ?? 16_000)
const edge = checks < 40_000 ? 0.03 : 0

const small: Limits = {
  few: { limit: 5, windowMs: 100 },
  some: { limit: 40, windowMs: 700 },
  hundred: { limit: 100, windowMs: 300 },
}
const large: Limits = {
  some: { limit: 150, windowMs: 60 },
  many: { limit: 400, windowMs: 150 },
  more: { limit: 1_000, windowMs: 350 },
}

/** They outlast a test, since most of what a short one costs is to start them. */
let hammers: readonly ChildProcess[] = []
beforeAll(() => {
  hammers = Array.from({ length: processes }, () => fork(program, { execArgv: ['--import', 'tsx'] }))
})
afterAll(() => Promise.all(hammers.map(ended)))

describe(`${checks} random checks of 3 limits from ${processes} processes at once`, () => {
  test.each([
    ['up to 100', small, 0, 0.99],
    ['above 100', large, 0, 0.96],
    ['up to 100, the clock stepping by up to 1 s', small, 1_000, 0.99],
    ['above 100, the clock stepping by up to 1 s', large, 1_000, 0.96],
  ] as const)(
    'limits %s: never over, nothing in part, truthful, and hardly stricter than exact',
    async (_what, limits, stepMs, shareMin) => {
      const recorded = await hammer(limits, stepMs)
      expect(recorded.length).toBe(checks)
      const ours = new Map(Object.entries(limits).map(([name, of]) => [name, new ExactWindow(of, stepMs)]))
      const exact = new Map(Object.entries(limits).map(([name, of]) => [name, new ExactWindow(of)]))
      const granted = { ours: 0, exact: 0, refused: 0 }
      for (const { us, asked, standings } of recorded) {
        if (grant(exact, asked, us)) granted.exact += costOf(asked)
        const passed = standings.every(({ waitMs }) => waitMs === 0)
        if (passed) granted.ours += costOf(asked)
        else granted.refused += 1
        for (const [index, { name, cost }] of asked.entries()) {
          const window = ours.get(name)
          const { remaining = -1, waitMs = -1 } = standings[index] ?? {}
          if (passed) window?.add(us, cost)
          const error = window?.faultOf({ us, cost, remaining, waitMs, passed })
          if (error !== undefined) expect.fail(`"${name}" at ${us}: ${error}`)
        }
      }
      const share = granted.ours / granted.exact
      console.info(
        `${granted.ours} granted, ${granted.refused} refused, ${(100 * share).toFixed(2)} % of the exact model's`,
      )
      expect(granted.refused).toBeGreaterThan(checks / 20)
      expect(share).toBeGreaterThanOrEqual(shareMin - edge)
    },
    180_000,
  )
})

/** What the exact model does with a request. */
function grant(windows: ReadonlyMap<string, ExactWindow>, asked: Recorded['asked'], us: number): boolean {
  const passes = asked.every(({ name, cost }) => windows.get(name)?.fits(us, cost))
  if (passes) for (const { name, cost } of asked) windows.get(name)?.add(us, cost)
  return passes
}

function costOf(asked: Recorded['asked']): number {
  return asked.reduce((sum, { cost }) => sum + cost, 0)
}

async function hammer(limits: Limits, stepMs: number): Promise<readonly Recorded[]> {
  const node = await startRedisNode()
  const client = new Redis(node.url)
  const stepping = new AbortController()
  const steps = stepMs > 0 ? stepClock(client, stepMs, stepping.signal) : undefined
  try {
    const each = checks / processes
    await Promise.all(
      hammers.map((hammer, index) => run(hammer, { url: node.url, seed: index + 1, checks: each, limits })),
    )
    return (await client.lrange('log', 0, -1)).map(readRecord)
  } finally {
    stepping.abort()
    await steps
    client.disconnect()
    await node.remove()
  }
}

/** Sets the clock that the script sees, again and again, to somewhere within half of `stepMs` of the truth. */
async function stepClock(client: Redis, stepMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await client.set('skew', Math.floor((Math.random() - 0.5) * stepMs * 1_000))
    await sleep(50)
  }
}

async function ended(hammer: ChildProcess): Promise<void> {
  if (hammer.exitCode !== null) return
  hammer.disconnect()
  await once(hammer, 'exit')
}

async function run(hammer: ChildProcess, task: HammerTask): Promise<void> {
  const over = new AbortController()
  const { signal } = over
  hammer.send(task)
  try {
    const early = once(hammer, 'exit', { signal }).then(([code]) => {
      throw new Error(`a hammer ended with ${String(code)}`)
    })
    await Promise.race([once(hammer, 'message', { signal }), early])
  } finally {
    over.abort()
  }
}
