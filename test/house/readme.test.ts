import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import repository from '../../package.json' with { type: 'json' }

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
/** Those that stand before what they print. */
const examplesOf = (page: string): readonly { page: string; number: number; code: string; output: string }[] =>
  [
    ...readFileSync(join(root, page), 'utf8').matchAll(
      /```ts\n(?<code>(?:(?!```).)*?)```\n\n```text\n(?<output>.*?)```/gs,
    ),
  ].map(({ groups }, index) => ({
    page,
    number: index + 1,
    code: groups?.['code'] ?? '',
    output: groups?.['output'] ?? '',
  }))
const examples = examplesOf('README.md')

describe('the README', () => {
  test('has its examples, each with its output', () => {
    expect(examples.length).toBe(readme.match(/```ts\n/g)?.length)
    expect(examples.length).toBe(2)
  })

  test.each([...examples, ...examplesOf('docs/pipelines.md')])(
    '$page: example $number prints what it says, on the built library',
    async ({ code, output }) => {
      expect(anyDuration(await runOutside(code))).toBe(anyDuration(output))
    },
  )

  test('and the page on pipelines has two such examples', () => {
    expect(examplesOf('docs/pipelines.md')).toHaveLength(2)
  })

  test('names commands that exist, and the test command is the one of .ci/run', () => {
    const commands = [...readme.matchAll(/^npm ci && npm (\w+)/gm)].map(([, name]) => name)
    expect(commands).toEqual(['start', 'test'])
    for (const name of commands) expect(repository.scripts).toHaveProperty(String(name))
    expect(readFileSync(join(root, '.ci/run'), 'utf8').trim().split('\n').at(-1)).toBe('npm test')
  })

  test('links to files that exist', () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)]+)\)/g))
      expect(existsSync(join(root, String(path))), path).toBe(true)
  })
})

/** As a user would: in a folder of its own, with the library installed. Jitter decides how long the breaker stays open. */
async function runOutside(code: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-readme-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/switchgear'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'example.ts'), code)
    return (await promisify(execFile)(join(root, 'node_modules/.bin/tsx'), ['example.ts'], { cwd: folder })).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function anyDuration(text: string): string {
  return text.replaceAll(/another [\d.]+ m?s/g, 'another …')
}
