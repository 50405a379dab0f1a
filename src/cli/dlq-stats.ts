import type { CommandDef } from 'citty'
import type { LetterFilter, LetterStats } from '../index.ts'
import { counted, filterArgs, readFilter } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { readableDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table } from './table.ts'

/** Depth and age. */
export const stats: CommandDef = storeCommand({
  name: 'stats',
  description: 'How many letters there are and how old the oldest is, by organization, channel and error type',
  args: filterArgs,
  prepare(given) {
    const filter = readFilter(given)
    return (stores) => show(stores, filter)
  },
})

async function show(stores: Stores, filter: LetterFilter): Promise<ExitCode> {
  const { fleet, screen } = stores
  // What waits on the disks of instances is known to them alone.
  const { spilled: _, ...known } = await queueOf(stores).stats(filter)
  if (screen.json) screen.printJson({ fleet, at: Date.now(), ...known })
  else if (known.total === 0) screen.print(`fleet "${fleet}" has no such dead letter`)
  else screen.print(`${rowsTable(known.rows)}\n\n${counted(known.total)}, ${known.parked} of them parked`)
  return exitCodes.fine
}

function rowsTable(rows: LetterStats['rows']): string {
  return table(
    ['ORGANIZATION', 'CHANNEL', 'TYPE', 'LETTERS', 'OLDEST'],
    rows.map(({ organization, channel, errorType, count, oldestAgeMs }) => {
      const texts = [organization, channel, errorType, String(count), readableDuration(oldestAgeMs)]
      return texts.map((text) => ({ text }))
    }),
  )
}
