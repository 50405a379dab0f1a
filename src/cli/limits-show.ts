import type { CommandDef } from 'citty'
import type { Limits } from '../index.ts'
import { readableDuration, typedDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { textOf } from './given.ts'
import { knownLimits, limiterOf, limitsArgs, readLimits } from './known-limits.ts'
import { type LimitStanding, standingsOf } from './limit-standing.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table, type Cell } from './table.ts'

/** Where an organization stands with each limit. */
export const show: CommandDef = storeCommand({
  name: 'show',
  description: 'Where an organization stands with each limit, and which are its own; books nothing',
  args: { organization: { type: 'positional', required: true, description: 'Its name' }, ...limitsArgs },
  prepare(given) {
    const organization = textOf(given, 'organization') ?? ''
    const ofFile = readLimits(given)
    return (stores) => showOne(stores, organization, ofFile)
  },
})

async function showOne(stores: Stores, organization: string, ofFile: Limits | undefined): Promise<ExitCode> {
  const { fleet, screen } = stores
  const limits = await knownLimits(stores, ofFile)
  const standings = await standingsOf(stores, limiterOf(stores, limits), organization, limits)
  if (screen.json) screen.printJson({ fleet, organization, at: Date.now(), limits: standings })
  else if (standings.length > 0) screen.print(standingsTable(standings, limits))
  else screen.print(`fleet "${fleet}" has no limit in use; --limits names a file with some`)
  return standings.length > 0 ? exitCodes.fine : exitCodes.nothingThere
}

function standingsTable(standings: readonly LimitStanding[], limits: Limits): string {
  const heading = ['NAME', 'LIMIT', 'WINDOW', 'LEFT', 'ALL LEFT IN', 'INSTEAD OF']
  return table(
    heading,
    standings.map((each) => row(each, limits)),
  )
}

function row({ name, limit, windowMs, remaining, resetMs, overridden }: LimitStanding, limits: Limits): Cell[] {
  const forAll = limits[name]
  const instead = overridden && forAll !== undefined ? `${forAll.limit} in ${typedDuration(forAll.windowMs)}` : ''
  const wait = resetMs === 0 ? '' : readableDuration(resetMs)
  return [name, `${limit}`, typedDuration(windowMs), `${remaining}`, wait, instead].map((text) => ({ text }))
}
