import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommandHere } from './command-here.ts'
import { runCommand } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgear-verify-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, config: unknown): string {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(config))
  return path
}

const brief = ['--runs', '12', '--ms', '1', '--seed', '1']

test('shows what came of each law, and writes JUnit', async () => {
  const config = file('sound.json', {
    breakers: { pay: { failureThreshold: 3, timeoutMs: 2_000 } },
    retry: { maxAttempts: 3, baseDelayMs: 100 },
    deadlineMs: 10_000,
  })
  const junit = join(folder, 'laws.xml')
  const { code, stdout, stderr } = await runCommand(['verify', '--config', config, ...brief, '--junit', junit])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/passed +breaker\.oracle +\d+/)
  expect(stdout).toMatch(/not applicable +limiter\.never-over +0 +the configuration has no limits/)
  expect(stdout).toMatch(/laws tried in .* none broken; seed 1$/)
  expect(readFileSync(junit, 'utf8')).toContain('<testcase classname="breaker" name="oracle"/>')
})

test('ends with 1 where a law is broken, and gives programs the report', async () => {
  const config = file('wrong.json', { breakers: { pay: { timeoutMs: 60_000 } } })
  const { code, stdout } = await runCommand(['verify', '--config', config, ...brief, '--json'])
  expect(code).toBe(1)
  const { laws, ok, seed } = JSON.parse(stdout) as { laws: { status: string }[]; ok: boolean; seed: number }
  expect([ok, seed]).toEqual([false, 1])
  expect(laws.filter(({ status }) => status === 'failed')).toMatchObject([
    { name: 'breaker.liveness', cause: { path: 'breakers.pay.probe.leaseMs' } },
  ])
})

test.each([
  [[], '--config'],
  [['--config', join(folder, 'none.json')], 'is no file that can be read'],
  [['--config', file('odd.json', { breaker: {} })], 'config.breaker: is not a known option'],
  [['--config', file('empty.json', {}), '--runs', '0'], '--runs'],
  [
    ['--config', file('empty.json', {}), '--runs', '1', '--ms', '1', '--junit', folder],
    `--junit: ${JSON.stringify(folder)} cannot be written`,
  ],
])('refuses %j, which cannot be meant', async (args, words) => {
  const { code, stderr } = await runCommandHere(['verify', ...args])
  expect(code).toBe(2)
  expect(stderr).toContain(words)
})
