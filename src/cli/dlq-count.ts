import type { CommandDef } from 'citty'
import { filterArgs, readFilter } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes } from './exit-codes.ts'
import { storeCommand } from './store-command.ts'

/** How many letters there are. */
export const count: CommandDef = storeCommand({
  name: 'count',
  description: 'How many letters there are, exactly',
  args: filterArgs,
  prepare(given) {
    const filter = readFilter(given)
    return async (stores) => {
      const letters = await queueOf(stores).count(filter)
      if (stores.screen.json) stores.screen.printJson({ fleet: stores.fleet, count: letters })
      else stores.screen.print(String(letters))
      return exitCodes.fine
    }
  },
})
