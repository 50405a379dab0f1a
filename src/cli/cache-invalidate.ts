import type { CommandDef } from 'citty'
import { ConfigError, type CacheScope } from '../index.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { textOf } from './given.ts'
import { printable } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

const scopes: readonly CacheScope[] = Object.freeze(['all', 'stats', 'counts', 'search'])

/** Makes what is cached of an organization invalid. */
export const invalidate: CommandDef = storeCommand({
  name: 'invalidate',
  description: 'Make what is cached of an organization invalid, for every instance',
  args: {
    organization: { type: 'positional', required: true, description: 'Its name' },
    scope: { type: 'string', description: `What of it (${scopes[0]})`, valueHint: scopes.join('|') },
  },
  prepare(given) {
    const organization = textOf(given, 'organization') ?? ''
    const wanted = textOf(given, 'scope') ?? 'all'
    const scope = scopes.find((each) => each === wanted)
    if (scope === undefined)
      throw new ConfigError('--scope', `expected one of ${scopes.join(', ')} (given: ${JSON.stringify(wanted)})`)
    return (stores) => forget(stores, organization, scope)
  },
})

async function forget(stores: Stores, organization: string, scope: CacheScope): Promise<ExitCode> {
  const { fleet, screen } = stores
  const cache = stores.open((door, options) => door.redisCache(options))
  await cache.invalidate({ organization, scope })
  const what = scope === 'all' ? 'all' : `the scope "${scope}"`
  if (screen.json) screen.printJson({ fleet, organization, scope })
  else screen.print(`${what} that fleet "${fleet}" has cached of "${printable(organization)}" is no longer valid`)
  return exitCodes.fine
}
