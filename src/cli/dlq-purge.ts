import type { CommandDef } from 'citty'
import type { LettersGiven } from '../index.ts'
import { confirmArgs, isConfirmed } from './confirm.ts'
import { counted, isIds, lettersArgs, readLetters } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { isGiven, type Given } from './given.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Removes letters for good. */
export const purge: CommandDef = storeCommand({
  name: 'purge',
  description: 'Remove letters for good, parked ones too; `export` keeps them elsewhere first',
  args: { ...lettersArgs, ...confirmArgs },
  prepare(given) {
    const letters = untilNow(readLetters(given))
    return (stores) => remove(stores, letters, given)
  },
})

/** What comes while we ask is not removed with what the answer was about. */
function untilNow(letters: LettersGiven): LettersGiven {
  return isIds(letters) ? letters : { until: Date.now(), ...letters }
}

async function remove(stores: Stores, letters: LettersGiven, given: Given): Promise<ExitCode> {
  const { fleet, screen } = stores
  const queue = queueOf(stores)
  const dryRun = isGiven(given, 'dry-run')
  const found = await queue.purge(letters, { dryRun: true })
  const asks = found > 0 && !dryRun
  if (asks && !(await isConfirmed(given, `remove ${counted(found)} of fleet "${fleet}" for good`)))
    return exitCodes.declined
  const removed = asks ? await queue.purge(letters) : found
  if (screen.json) screen.printJson({ fleet, letters: removed, dryRun })
  else if (removed === 0) screen.print(`fleet "${fleet}" has no such dead letter`)
  else screen.print(`${dryRun ? 'would remove' : 'removed'} ${counted(removed)}`)
  return removed === 0 ? exitCodes.nothingThere : exitCodes.fine
}
