import type { CommandDef } from 'citty'
import type { Limits } from '../index.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { textOf } from './given.ts'
import { checkKnown, knownLimits, limiterOf, limitsArgs, readLimits } from './known-limits.ts'
import { printable } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Forgets what an organization was granted. */
export const reset: CommandDef = storeCommand({
  name: 'reset',
  description: 'Forget what an organization was granted, under one limit or all; limits of its own stay',
  args: {
    organization: { type: 'positional', required: true, description: 'Its name' },
    name: { type: 'positional', required: false, description: 'That of the limit (all)' },
    ...limitsArgs,
  },
  prepare(given) {
    const organization = textOf(given, 'organization') ?? ''
    const name = textOf(given, 'name')
    const ofFile = readLimits(given)
    return (stores) => forget(stores, organization, name, ofFile)
  },
})

async function forget(
  stores: Stores,
  organization: string,
  name: string | undefined,
  ofFile: Limits | undefined,
): Promise<ExitCode> {
  const { fleet, screen } = stores
  const limits = await knownLimits(stores, ofFile)
  if (name !== undefined) checkKnown(name, limits)
  const names = name === undefined ? Object.keys(limits) : [name]
  if (names.length > 0) await limiterOf(stores, limits).reset(organization, names)
  if (screen.json) screen.printJson({ fleet, organization, names })
  else if (names.length === 0) screen.print(`fleet "${fleet}" has no limit in use; --limits names a file with some`)
  else screen.print(`what "${printable(organization)}" was granted is forgotten: ${names.map(printable).join(', ')}`)
  return names.length > 0 ? exitCodes.fine : exitCodes.nothingThere
}
