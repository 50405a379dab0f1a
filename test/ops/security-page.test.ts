import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

it('every threat in docs/security.md names a test that is there', () => {
  const page = readFileSync(`${root}docs/security.md`, 'utf8')
  const table = page.slice(page.indexOf('| threat |'), page.indexOf('## What is left'))
  const rows = table
    .split('\n')
    .slice(2)
    .filter((line) => line.startsWith('|'))
  expect(rows.length).toBeGreaterThan(15)
  for (const row of rows) {
    const shown = row.split('|').at(-2) ?? ''
    const files = [...shown.matchAll(/`([\w-]+\.test\.ts)`/g)].map(([, name]) => `${root}service/test/${name}`)
    expect(files.length, row).toBeGreaterThan(0)
    for (const file of files) expect(existsSync(file), file).toBe(true)
    const tests = files.map((file) => readFileSync(file, 'utf8')).join('\n')
    for (const [, name = ''] of shown.matchAll(/"([^"]+)"/g)) expect(tests, row).toContain(name)
  }
})

it.each(['security', 'operations'])('docs/%s.md links to files that are there', (name) => {
  const page = readFileSync(`${root}docs/${name}.md`, 'utf8')
  for (const [, target = ''] of page.matchAll(/\]\((?!https?:)([^)#]+)/g))
    expect(existsSync(`${root}docs/${target}`), target).toBe(true)
})
