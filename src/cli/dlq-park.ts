import type { CommandDef } from 'citty'
import type { DeadLetters, LettersGiven } from '../index.ts'
import { confirmArgs, isConfirmed } from './confirm.ts'
import { counted, isIds, lettersArgs, readLetters } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { isGiven, type Given } from './given.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Sets letters aside. */
export const park: CommandDef = storeCommand({
  name: 'park',
  description: 'Set letters aside: redrives by filter pass over them, unless they say --parked',
  args: { ...lettersArgs, ...confirmArgs },
  prepare: (given) => prepareParking(given, 'park'),
})

/** Ends that. */
export const unpark: CommandDef = storeCommand({
  name: 'unpark',
  description: 'Let redrives have letters again that were parked',
  args: { ...lettersArgs, ...confirmArgs },
  prepare: (given) => prepareParking(given, 'unpark'),
})

function prepareParking(given: Given, does: 'park' | 'unpark'): (stores: Stores) => Promise<ExitCode> {
  const letters = readLetters(given)
  return async (stores) => {
    const { fleet, screen } = stores
    const queue = queueOf(stores)
    const dryRun = isGiven(given, 'dry-run')
    const asks = !isIds(letters) || dryRun
    const found = asks ? await toChange(queue, letters, does === 'park') : 0
    if (asks && found > 0 && !dryRun && !(await isConfirmed(given, `${does} ${counted(found)} of fleet "${fleet}"`)))
      return exitCodes.declined
    const changed = dryRun ? found : await queue[does](letters)
    if (screen.json) screen.printJson({ fleet, letters: changed, dryRun })
    else if (changed === 0) screen.print(`fleet "${fleet}" has no such letter to ${does}`)
    else screen.print(`${dryRun ? `would ${does}` : `${does}ed`} ${counted(changed)}`)
    return changed === 0 ? exitCodes.nothingThere : exitCodes.fine
  }
}

/** How many are not as they are to be. */
async function toChange(queue: DeadLetters, letters: LettersGiven, parked: boolean): Promise<number> {
  if (!isIds(letters)) return letters.parked === parked ? 0 : queue.count({ ...letters, parked: !parked })
  let found = 0
  for (const id of new Set(letters)) if ((await queue.get(id))?.parked === !parked) found += 1
  return found
}
