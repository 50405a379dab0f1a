import type { CommandDef } from 'citty'
import { filterArgs, readFilter } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes } from './exit-codes.ts'
import { printableJson } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'
import type { LetterFilter } from '../index.ts'

/** Pages grow and shrink towards this many characters, so that neither small nor large letters make them slow. */
const pageCharacters = 4_194_304
const firstLimit = 4
const limitMax = 200

/** Writes letters out, for `import` or anything else that reads JSON lines. */
export const exportLetters: CommandDef = storeCommand({
  name: 'export',
  description: 'Write letters out, whole, newest first, as JSON lines; the letters stay',
  args: filterArgs,
  prepare(given) {
    const filter = readFilter(given)
    return async (stores) => {
      await write(stores, filter)
      return exitCodes.fine
    }
  },
})

async function write(stores: Stores, filter: LetterFilter): Promise<void> {
  const queue = queueOf(stores)
  let limit = firstLimit
  let cursor: string | undefined
  do {
    const { items, next } = await queue.list(filter, { limit, cursor })
    let characters = 1
    for (const letter of items) {
      const line = printableJson(letter)
      characters += line.length
      await written(line)
    }
    limit = Math.max(1, Math.min(limitMax, Math.floor((pageCharacters * items.length) / characters)))
    cursor = next
  } while (cursor !== undefined)
}

/** Waits where the reader is slower than we are. */
async function written(line: string): Promise<void> {
  if (process.stdout.write(`${line}\n`)) return
  await new Promise((resolve) => process.stdout.once('drain', resolve))
}
