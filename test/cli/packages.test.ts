import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { natsLogDefaults } from 'switchgear/nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import repository from '../../package.json' with { type: 'json' }
import { readFleetOptions } from '../../src/cli/fleet-options.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string

/** What was built, with what the library needs by itself, and nothing for NATS or Redis. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-bare-'))
  for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(folder, part), { recursive: true })
  mkdirSync(join(folder, 'node_modules'))
  for (const name of Object.keys(repository.dependencies))
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(folder, 'dist/cli/main.js'), ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })

test('without the packages of NATS and Redis the command explains itself, and says which of them it needs', async () => {
  expect(await run('limits', 'suggest', '--help')).toMatchObject({ code: 0, stderr: '' })
  const status = await run('status')
  expect(status).toMatchObject({ code: 2, stdout: '' })
  expect(status.stderr).toContain('`npm install @nats-io/transport-node @nats-io/jetstream`')
  const suggest = await run('limits', 'suggest')
  expect(suggest).toMatchObject({ code: 2, stdout: '' })
  expect(suggest.stderr).toContain('`npm install ioredis`')
})

test('where NATS is without a word of it is the same here as in the library', () => {
  expect(readFleetOptions({}).servers).toEqual([natsLogDefaults.servers])
})
