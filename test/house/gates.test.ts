import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import repository from '../../package.json' with { type: 'json' }
import { floorPlants, house, placed, rulePlants } from './plants.ts'
import { buildSkeleton, type Skeleton } from './skeleton.ts'

/** Each gate of `npm run check` passes a clean house, and fails one with a single violation planted in it. */
let skeleton: Skeleton
beforeAll(async () => {
  skeleton = buildSkeleton({ ...house, 'package.json': packageJson({}) })
  await skeleton.run('format')
})
afterAll(() => skeleton.demolish())

test('every gate of the repository is tried here', () => {
  const gates = repository.scripts.check.split(' && ').map((step) => step.replace('npm run ', ''))
  expect(gates).toEqual(['format:check', 'types', 'lint', 'text', 'unused', 'package'])
})

test('a clean house passes all gates', { timeout: 120_000 }, async () => {
  const { passed, output } = await skeleton.run('check')
  expect(passed, output).toBe(true)
})

describe('the linter', () => {
  const floors = placed(floorPlants, 'floor')
  const rules = placed(rulePlants, 'rule')
  const found = new Map<string, string[]>()
  beforeAll(async () => {
    // One after the other: the type-aware half is blind where a file leads out of its project, which the compiler refuses.
    for (const plants of [floors, rules]) {
      const files = Object.fromEntries(plants.map(({ path, text }) => [path, text]))
      for (const [path, codes] of findings(await outputOfFailing('lint', files, '--format=json')))
        found.set(path, codes)
    }
  })

  test.each(floors)('keeps $folder from importing $what', ({ path }) => {
    expect(found.get(path)).toEqual(['eslint(no-restricted-imports)'])
  })

  test.each(rules)('finds $rule in $path', ({ path, rule }) => {
    expect(found.get(path)).toEqual([rule])
  })
})

describe('the compiler', () => {
  const everywhere = ['src/kernel/size.ts', 'service/src/size.ts', 'test/size.ts']
  const wrong = "export const size: number = 'large'\n"
  let output: string
  beforeAll(async () => {
    output = await outputOfFailing('types', {
      ...Object.fromEntries(everywhere.map((path) => [path, wrong])),
      'src/kernel/side.ts': 'export enum Side {\n  left,\n}\n',
      'src/kernel/box.ts': 'export class Box {\n  constructor(readonly size: number) {}\n}\n',
      'src/kernel/later.ts': 'export const later = (ms: number) => Promise.resolve(ms)\n',
    })
  })

  test.each(everywhere)('finds an error in %s', (path) => {
    expect(output).toContain(`${path}(1,14): error TS2322`)
  })

  test('refuses an enum, a parameter property and an export without its type', () => {
    expect(output).toMatch(/side\.ts.*TS1294/)
    expect(output).toMatch(/box\.ts.*TS1294/)
    expect(output).toMatch(/later\.ts.*TS9013/)
  })
})

test('the formatter finds a semicolon', async () => {
  expect(await outputOfFailing('format:check', { 'src/kernel/one.ts': 'export const one = 1;\n' })).toContain('one.ts')
})

test('forbidden text is found: a cast through unknown, a rule switched off in place, a file named utils', async () => {
  // The words are put together here, since this file is looked at too.
  const cast = ['as', 'unknown', 'as'].join(' ')
  const off = ['oxlint', 'disable'].join('-')
  const output = await outputOfFailing('text', {
    'src/kernel/cast.ts': `export const one = 1 ${cast} string\n`,
    'service/src/off.ts': `// ${off}\nexport const one = 1\n`,
    'src/kernel/utils.ts': 'export const one = 1\n',
  })
  expect(output).toContain('src/kernel/cast.ts:1: ')
  expect(output).toContain('service/src/off.ts:1: ')
  expect(output).toContain('src/kernel/utils.ts: ')
})

test('an unused export, an unused file, an unused dependency and an unlisted one are found', async () => {
  const output = await outputOfFailing('unused', {
    'src/adapters/memory/clock.ts': `${house['src/adapters/memory/clock.ts']}\nexport const spare = 1\n`,
    'src/kernel/forgotten.ts': 'export const one = 1\n',
    'src/streams/blink.ts': `import 'semver'\n${house['src/streams/blink.ts']}`,
    'package.json': packageJson({ dependencies: { ...dependencies, ulid: '*' } }),
  })
  expect(output).toMatch(/Unused files.*src\/kernel\/forgotten\.ts/s)
  expect(output).toMatch(/Unused dependencies.*ulid/s)
  expect(output).toMatch(/Unlisted dependencies.*semver/s)
  expect(output).toMatch(/Unused exports.*spare/s)
})

test('a door that leads to no file, and one without types, are found in the packed tarball', async () => {
  const missing = { './missing': { types: './dist/missing.d.ts', default: './dist/missing.js' } }
  const noFile = await outputOfFailing('package', {
    'package.json': packageJson({ exports: { ...repository.exports, ...missing } }),
  })
  expect(noFile).toContain('dist/missing.js')
  const untyped = { './untyped': { default: './dist/plain.js' } }
  const noTypes = await outputOfFailing('package', {
    'dist/plain.js': 'export const one = 1\n',
    'package.json': packageJson({ exports: { ...repository.exports, ...untyped } }),
  })
  expect(noTypes).toMatch(/untyped.*no types/is)
})

describe('a test run', () => {
  const file = (text: string): string => `import { test } from 'vitest'\n\n${text}\n`

  test('fails on a rejection that nobody handles, and on an exception that nobody catches', async () => {
    const output = await outputOfFailing('tests', {
      'test/rejection.test.ts': file("test('passes', () => void Promise.reject(new Error('nobody handles me')))"),
      'test/exception.test.ts': file(
        "test('passes', () => void setTimeout(() => { throw new Error('nobody catches me') }))",
      ),
    })
    expect(output).toMatch(/Unhandled Rejection.*nobody handles me/s)
    expect(output).toMatch(/Uncaught Exception.*nobody catches me/s)
  })

  test('fails on a test that runs alone, and on a file without one', async () => {
    const output = await outputOfFailing('tests', {
      'test/alone.test.ts': file("test.only('passes', () => {})"),
      'test/empty.test.ts': file(''),
    })
    expect(output).toMatch(/FAIL .*test\/alone\.test\.ts/)
    expect(output).toMatch(/FAIL .*test\/empty\.test\.ts/)
  })

  test('passes without', async () => {
    expect(await skeleton.run('tests')).toMatchObject({ passed: true })
  })
})

const dependencies = { rxjs: '*', xstate: '*', zod: '*' }
const tools = ['@arethetypeswrong/cli', '@changesets/cli', '@types/node', 'fast-check', 'knip', 'oxfmt', 'oxlint']
const moreTools = ['oxlint-tsgolint', 'publint', 'tsx', 'typescript', 'vitest']
const devDependencies = Object.fromEntries([...tools, ...moreTools].map((name) => [name, '*']))

/** Plants the files, runs the gate, takes them out again; what stood there before stands there afterwards. */
async function outputOfFailing(gate: string, files: Record<string, string>, ...args: string[]): Promise<string> {
  for (const [path, text] of Object.entries(files)) skeleton.plant(path, text)
  try {
    const { passed, output } = await skeleton.run(gate, ...args)
    expect(passed, `${gate} passed: ${output}`).toBe(false)
    return output
  } finally {
    for (const path of Object.keys(files)) skeleton.restore(path)
  }
}

function findings(output: string): ReadonlyMap<string, string[]> {
  const report = z.object({ diagnostics: z.array(z.object({ filename: z.string(), code: z.string() })) })
  const byFile = new Map<string, string[]>()
  for (const { filename, code } of report.parse(JSON.parse(output)).diagnostics) {
    byFile.set(filename, [...(byFile.get(filename) ?? []), code])
  }
  return byFile
}

function packageJson(changes: Readonly<Record<string, unknown>>): string {
  const { type, license, engines, files, exports, workspaces } = repository
  // Its program is not installed in a house this small, and it is no gate.
  const { mutate: _mutate, ...others } = repository.scripts
  const scripts = { ...others, tests: 'vitest run' }
  const bin = { switchgear: './dist/cli/main.js' }
  const same = {
    name: 'switchgear',
    version: '0.0.0',
    type,
    license,
    engines,
    files,
    exports,
    bin,
    workspaces,
    scripts,
  }
  return `${JSON.stringify({ ...same, dependencies, devDependencies, ...changes }, undefined, 2)}\n`
}
