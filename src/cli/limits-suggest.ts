import type { CommandDef } from 'citty'
import type { LimitSuggestion, Limits } from '../index.ts'
import { readableTime, typedDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { limitsArgs, readLimits, usedLimits } from './known-limits.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table, type Cell } from './table.ts'

/** What limits could be, from what the fleet was asked for. */
export const suggest: CommandDef = storeCommand({
  name: 'suggest',
  description: 'What each limit was used for in one to two weeks, what it could be, and what that would have refused',
  args: limitsArgs,
  prepare(given) {
    const ofFile = readLimits(given)
    return (stores) => propose(stores, ofFile)
  },
})

async function propose(stores: Stores, ofFile: Limits | undefined): Promise<ExitCode> {
  const { fleet, screen } = stores
  const used = await usedLimits(stores, ofFile)
  const anyUse = used.some(({ asked, overridden }) => asked + overridden > 0)
  if (screen.json) screen.printJson({ fleet, at: Date.now(), limits: used })
  else if (anyUse) screen.print(suggestionsTable(used))
  else screen.print(`fleet "${fleet}" has no use of its limits recorded`)
  return anyUse ? exitCodes.fine : exitCodes.nothingThere
}

const heading = [
  'NAME',
  'LIMIT',
  'WINDOW',
  'ASKED',
  'REFUSED',
  'PEAK',
  'SUGGESTED',
  'WOULD REFUSE',
  'BY OWN LIMITS',
  'SINCE',
]

function suggestionsTable(used: readonly LimitSuggestion[]): string {
  return table(
    heading,
    used.map((each) => {
      const { name, limit, windowMs, asked, refused, peak, suggested, wouldHaveRefused, overridden, sinceAt } = each
      const figures = [asked, refused, peak, suggested, wouldHaveRefused, overridden]
      return [name, limit, typedDuration(windowMs), ...figures, readableTime(sinceAt)].map(cell)
    }),
  )
}

function cell(value: string | number): Cell {
  return { text: String(value) }
}
