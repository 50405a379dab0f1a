import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exitCodeMeanings } from '../../src/cli/exit-codes.ts'
import { environment } from '../../src/cli/fleet-options.ts'
import { commands } from '../../src/cli/commands.ts'

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')

test('docs/cli.md has every command, every option, every variable and every exit code', () => {
  for (const [name, { args }] of Object.entries(commands)) {
    expect(text).toContain(`switchgear ${name}`)
    for (const [option, { type }] of Object.entries(args ?? {}))
      if (type !== 'positional') expect(text).toContain(`\`--${option}\``)
  }
  for (const [variable] of environment) expect(text).toContain(`\`${variable}\``)
  for (const [code, meaning] of exitCodeMeanings) expect(text).toContain(`| ${code} | ${meaning} |`)
})
