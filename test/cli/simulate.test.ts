import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommandHere } from './command-here.ts'
import { runCommand } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgear-simulate-'))
afterAll(() => rmSync(folder, { recursive: true }))

const config = join(folder, 'gear.json')
writeFileSync(config, JSON.stringify({ breakers: { smtp: { recoveryTimeoutMs: 5_000 } }, retry: { maxAttempts: 2 } }))
const brief = ['--config', config, '--instances', '30', '--from', '2s', '--for', '10s', '--calls', '10', '--seed', '7']

test('shows the fleet with Switchgear beside the one without, and writes a page that needs nothing else', async () => {
  const page = join(folder, 'outage.html')
  const { code, stdout, stderr } = await runCommand(['simulate', ...brief, '--html', page])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^outage of "smtp" for 10 s from 2 s on, 30 instances, seed 7/)
  expect(stdout).toMatch(/lost +0 +[1-9]/)
  expect(stdout).toContain('converged, one outcome for each call')
  const html = readFileSync(page, 'utf8')
  expect(html).toContain('outage of smtp, 30 instances')
  expect(html).not.toMatch(/<script|<link|src=|href=|url\(|https?:/)
})

test('gives programs the same for the same seed', async () => {
  const args = ['simulate', ...brief, '--json']
  const [one, again] = [await runCommandHere(args), await runCommandHere(args)]
  expect(one.stdout).toBe(again.stdout)
  const outcome: unknown = JSON.parse(one.stdout)
  expect(outcome).toMatchObject({
    seed: 7,
    with: { lost: 0 },
    without: { detectMs: null },
  })
})

test('says what cannot be meant, with the option or the path', async () => {
  const wrong = [
    ['--scenario', 'flood'],
    ['--of', 'slack'],
    ['--faults', 'crash,fire'],
    ['--seed', 'x'],
    ['--config', join(folder, 'none.json')],
    ['--html', folder],
  ]
  for (const [option = '', value = ''] of wrong) {
    const { code, stderr } = await runCommandHere(['simulate', ...brief, option, value])
    expect([option, code]).toEqual([option, 2])
    expect(stderr).toContain(option === '--of' ? 'scenario.of' : option)
  }
})
