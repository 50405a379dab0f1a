import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../servers/start-redis.ts'
import { until } from '../servers/until.ts'

let server: Awaited<ReturnType<typeof startRedis>>

beforeAll(async () => {
  server = await startRedis()
})

afterAll(() => server.stop())

interface Loading {
  readonly pid: number
  readonly lines: readonly { readonly text: string; readonly at: number }[]
  readonly ended: Promise<number | null>
  readonly stderr: () => string
  kill(): void
}

function start(key: string, callers: number, loadMs: number, leave = ''): Loading {
  const program = fileURLToPath(new URL('load-worker.ts', import.meta.url))
  const given = [server.url, key, String(callers), String(loadMs), leave]
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', program, ...given], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: { text: string; at: number }[] = []
  let stderr = ''
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (text) => lines.push({ text, at: performance.now() }))
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()))
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'close').then(() => {
    process.off('exit', kill)
    return child.exitCode
  })
  return { pid: child.pid ?? 0, lines, ended, kill, stderr: () => stderr }
}

const said = ({ lines }: Loading, what: RegExp) => lines.find(({ text }) => what.test(text))

describe('a cold key that two processes want', () => {
  test('is loaded once for 100 callers in each', async () => {
    const both = [start('cold', 100, 3_000), start('cold', 100, 3_000)]
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0])
    const texts = both.flatMap(({ lines }) => lines.map(({ text }) => text))
    expect(texts.filter((text) => text === 'loads')).toHaveLength(1)
    const loader = both.find((each) => said(each, /loads/))
    for (const each of both) expect(said(each, /found/)?.text).toBe(`found ${loader?.pid} 100`)
    expect(both.map(({ stderr }) => stderr())).toEqual(['', ''])
  })

  test('is loaded by the other within the lease when the process that loads it is killed', async () => {
    const first = start('killed', 100, 60_000)
    await until('the first to load', () => said(first, /loads/), 30_000)
    const second = start('killed', 100, 0)
    await until('the second to ask', () => said(second, /asks/), 60_000)
    // It waits, for longer than a lease holds that nobody renews.
    const early = await Promise.race([second.ended, new Promise((resolve) => setTimeout(resolve, 3_000, 'waits'))])
    expect([early, second.lines.map(({ text }) => text)]).toEqual(['waits', ['asks']])
    first.kill()
    const killedAt = performance.now()
    const loads = await until('the second to load', () => said(second, /loads/), 30_000)
    expect(await second.ended).toBe(0)
    const tookMs = loads.at - killedAt
    console.info(`loaded by another ${tookMs.toFixed(0)} ms after the process that loaded it was killed`)
    // The lease, 1.5 s, and what the machine takes; who did without the lease would wait for a load for 20 s.
    expect(tookMs).toBeLessThan(10_000)
    expect(said(second, /found/)?.text).toBe(`found ${second.pid} 100`)
  })
})

test('a cache that nobody closes does not keep its process', async () => {
  const left = start('left', 3, 10, 'leave')
  await until('it has its values', () => said(left, /found/), 30_000)
  expect(await Promise.race([left.ended, new Promise((resolve) => setTimeout(resolve, 60_000, 'stays'))])).toBe(0)
})
