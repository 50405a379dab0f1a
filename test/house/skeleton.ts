import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A small house in a temporary folder: this repository's gates and settings around a few files that pass them all. */
export interface Skeleton {
  readonly folder: string
  /** Writes a file, and makes the folders that it needs. */
  plant(path: string, text: string): void
  /** Puts back what stood there when the house was built, or nothing. */
  restore(path: string): void
  /** Runs a script of package.json there, as a person would. */
  run(script: string, ...args: string[]): Promise<GateResult>
  demolish(): void
}

export interface GateResult {
  readonly passed: boolean
  readonly output: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What is the same as in the repository: settings and gates. */
const copied = [
  '.changeset',
  '.gitignore',
  '.oxfmtrc.json',
  '.oxlintrc.json',
  'LICENSE',
  'knip.json',
  'scripts',
  'service/src/dashboard/page/tsconfig.json',
  'service/tsconfig.json',
  'src/tsconfig.json',
  'test/servers/install.ts',
  'test/tsconfig.json',
  'tsconfig.base.json',
  'tsconfig.json',
  'vitest.config.ts',
]

export function buildSkeleton(files: Readonly<Record<string, string>>): Skeleton {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-house-'))
  const plant = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  // The service finds the library of this house, not the one of the repository.
  mkdirSync(join(folder, 'service/node_modules'))
  symlinkSync('../..', join(folder, 'service/node_modules/switchgear'))
  for (const [path, text] of Object.entries(files)) plant(path, text)
  return {
    folder,
    plant,
    restore: (path) => (files[path] === undefined ? rmSync(join(folder, path)) : plant(path, files[path])),
    run: (script, ...args) => runScript(folder, script, args),
    demolish: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function runScript(folder: string, script: string, args: string[]): Promise<GateResult> {
  return new Promise((resolve) => {
    const options = { cwd: folder, maxBuffer: 2 ** 26, env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } }
    execFile('npm', ['run', '--silent', script, '--', ...args], options, (error, stdout, stderr) =>
      resolve({ passed: error === null, output: `${stdout}${stderr}` }),
    )
  })
}
