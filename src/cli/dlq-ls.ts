import type { CommandDef } from 'citty'
import { ConfigError, type Letter, type LetterFilter } from '../index.ts'
import { filterArgs, readFilter } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { readableDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { countOf, isGiven, textOf } from './given.ts'
import { shellWord } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table, type Cell } from './table.ts'

const limitMax = 1_000
const limitDefault = 50
/** How much is shown of an error where no terminal says how wide a line may be. */
const widthWithoutTerminal = 200

/** Letters, newest first. */
export const ls: CommandDef = storeCommand({
  name: 'ls',
  description: 'Letters, newest first, a page at a time or all',
  args: {
    ...filterArgs,
    limit: { type: 'string', description: `Letters a page, up to ${limitMax} (${limitDefault})`, valueHint: 'n' },
    cursor: { type: 'string', description: 'Where to go on, as the page before said', valueHint: 'text' },
    all: { type: 'boolean', description: 'All pages; with --json a letter a line' },
  },
  prepare(given) {
    const pages = {
      filter: readFilter(given),
      limit: countOf(given, 'limit', limitMax) ?? limitDefault,
      cursor: textOf(given, 'cursor'),
      all: isGiven(given, 'all'),
    }
    if (pages.all && pages.cursor !== undefined) throw new ConfigError('--all', 'it does not go with --cursor')
    return (stores) => list(stores, pages)
  },
})

interface Pages {
  readonly filter: LetterFilter
  readonly limit: number
  readonly cursor: string | undefined
  readonly all: boolean
}

async function list(stores: Stores, { filter, limit, cursor: first, all }: Pages): Promise<ExitCode> {
  const { fleet, screen } = stores
  const queue = queueOf(stores)
  let cursor = first
  do {
    const { items, next } = await queue.list(filter, { limit, cursor })
    if (screen.json && all) for (const letter of items) screen.printJson(letter)
    else if (screen.json) screen.printJson({ fleet, at: Date.now(), items, ...(next === undefined ? {} : { next }) })
    else if (items.length > 0) screen.print(lettersTable(items))
    else screen.print(`fleet "${fleet}" has no such dead letter`)
    cursor = next
  } while (all && cursor !== undefined)
  if (!screen.json && cursor !== undefined) screen.print(`\nmore with --cursor ${shellWord(cursor)}`)
  return exitCodes.fine
}

const heading = ['ID', 'AGE', 'ORGANIZATION', 'CHANNEL', 'TYPE', 'TRIES', 'REDRIVES', 'PARKED', 'ERROR']

function lettersTable(letters: readonly Letter[]): string {
  const now = Date.now()
  const rows = letters.map((letter) => row(letter, now))
  return table(heading, rows, process.stdout.columns ?? widthWithoutTerminal)
}

function row(letter: Letter, now: number): Cell[] {
  const { id, createdAt, organization, channel, errorType, retryCount, redriveCount, parked, error } = letter
  const texts = [
    id,
    readableDuration(Math.max(0, now - createdAt)),
    organization,
    channel,
    errorType,
    String(retryCount + 1),
    String(redriveCount),
    parked ? 'parked' : '',
    `${error.name}: ${error.message}`,
  ]
  return texts.map((text) => ({ text }))
}
