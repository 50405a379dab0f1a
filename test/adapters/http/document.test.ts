import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { memoryLimiter } from 'switchgear'
import { rateLimitMiddleware } from 'switchgear/http'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = readFileSync(join(root, 'docs/http.md'), 'utf8')
const examples = [...page.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)].map(([, code = '', output = '']) => ({
  about: /from '(?!node:|switchgear')(.*)'/.exec(code)?.[1] ?? '',
  code,
  output,
}))

test('each example of the page on HTTP stands there with its output', () => {
  expect(examples).toHaveLength(4)
  expect(page.match(/```ts\n/g)).toHaveLength(4)
})

test.each(examples)(
  'the example with $about prints what the page says, on the built library',
  async ({ code, output }) => {
    expect(steady(await runOutside(code))).toBe(steady(output))
  },
)

test('the page has every option, and none that there is not', () => {
  const options = [...page.matchAll(/^\| `([a-z]\w+)` \| /gm)].map(([, name]) => name)
  const wrong = { limiter: 1, names: 1, key: 1, cost: 0, skip: 1, refundWhen: 1, legacyHeaders: 1, logger: 1 }
  expect(options).toEqual(Object.keys(wrong))
  const right = { limiter: memoryLimiter(), names: 'alerts', key: () => 'acme' }
  for (const [name, value] of Object.entries(wrong))
    expect(() => rateLimitMiddleware({ ...right, [name]: value }), name).toThrow(`rateLimit.${name}: `)
})

/** As a user would: in a folder of its own, with the library and the frameworks installed. */
async function runOutside(code: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-http-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/switchgear'))
    for (const name of ['express', 'fastify'])
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'example.ts'), code)
    return (await promisify(execFile)(join(root, 'node_modules/.bin/tsx'), ['example.ts'], { cwd: folder })).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A machine that is busy may take a second of what is left. */
function steady(text: string): string {
  return text.replaceAll(/;t=\d+/g, ';t=…').replaceAll(/ (60|59|90|89)(?= |$)/gm, ' …')
}
