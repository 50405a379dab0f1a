import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { sized } from '../sized.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'switchgear-examples-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Ended {
  readonly code: unknown
  readonly output: string
}

/** A copy of an example as a repository of its own, with what was built and what its package.json asks for. */
function repositoryOf(name: string, copy: string): string {
  const own = join(folder, copy)
  cpSync(join(root, 'examples', name), own, { recursive: true, filter: (from) => !from.includes('node_modules') })
  for (const file of readdirSync(own).filter((each) => each.startsWith('gear.test.'))) budgeted(join(own, file))
  mkdirSync(join(own, 'node_modules'))
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')) as {
    readonly dependencies: object
    readonly devDependencies: object
  }
  for (const needed of ['.bin', ...Object.keys({ ...dependencies, ...devDependencies })])
    symlinkSync(join(root, 'node_modules', needed), join(own, 'node_modules', needed))
  return own
}

/** Each law is tried on a few cases whatever the time: here that will do. */
function budgeted(file: string): void {
  const text = readFileSync(file, 'utf8')
  expect(text).toContain('ms: 3_000')
  writeFileSync(file, text.replace('ms: 3_000', `ms: ${sized(100, 3_000)}`))
}

/** `npm test`, as a CI would. */
function runTests(cwd: string): Promise<Ended> {
  const { PATH = '', HOME = '' } = process.env
  return new Promise((resolve) => {
    execFile('npm', ['test', '--silent'], { cwd, env: { PATH, HOME } }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    )
  })
}

describe.each(['vitest', 'jest', 'node-test'])('the example for %s', (name) => {
  test('verifies its configuration and its handler', async () => {
    const { code, output } = await runTests(repositoryOf(name, name))
    expect(output).not.toMatch(/is (failed|vacuous)/)
    expect(output).toMatch(/26 passed|pass 26/)
    expect(code).toBe(0)
  })
})

test.each(['node-test', 'jest', 'vitest'].slice(0, sized(1, 3)))(
  'the example for %s fails where the configuration is wrong, and says why',
  async (name) => {
    const own = repositoryOf(name, `${name}-wrong`)
    const gear = readdirSync(own).find((file) => file.startsWith('gear.') && !file.includes('test')) ?? ''
    const text = readFileSync(join(own, gear), 'utf8')
    writeFileSync(join(own, gear), text.replace('timeoutMs: 2_000', 'timeoutMs: 60_000'))
    const { code, output } = await runTests(own)
    expect(code).toBe(1)
    expect(output).toContain('cause: breakers.pay.probe.leaseMs: timeoutMs (60000) is longer than a probe may take')
    expect(output).toContain('its probe is stopped')
    expect(output).toMatch(/replay with SWITCHGEAR_SEED=\d+/)
  },
)
