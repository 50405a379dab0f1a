import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exitCodeMeanings } from '../../src/cli/exit-codes.ts'
import type { CommandDef } from 'citty'
import { environment } from '../../src/cli/fleet-options.ts'
import { commands } from '../../src/cli/commands.ts'
import { storeEnvironment } from '../../src/cli/store-options.ts'

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')

test('docs/cli.md has every command, every option, every variable and every exit code', () => {
  for (const [name, { args }] of leaves(commands)) {
    expect(text).toContain(`switchgear ${name}`)
    for (const [option, { type }] of Object.entries(args ?? {}))
      if (type !== 'positional') expect(text).toContain(`\`--${option}\``)
  }
  for (const [variable] of [...environment, ...storeEnvironment]) expect(text).toContain(`\`${variable}\``)
  for (const [code, meaning] of exitCodeMeanings) expect(text).toContain(`| ${code} | ${meaning} |`)
})

/** Every command with the names that lead to it. */
function leaves(group: Readonly<Record<string, CommandDef>>, path = ''): (readonly [string, CommandDef])[] {
  return Object.entries(group).flatMap(([name, command]) => {
    const within = command.subCommands as Readonly<Record<string, CommandDef>> | undefined
    return within === undefined ? [[path + name, command] as const] : leaves(within, `${path}${name} `)
  })
}
