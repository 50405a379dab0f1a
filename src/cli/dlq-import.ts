import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { CommandDef } from 'citty'
import { ConfigError, OverCapacityError, type Added, type DeadLetters, type Letter } from '../index.ts'
import { counted } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { countOf, textOf } from './given.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** What goes to Redis at the same time. */
const batchLines = 64
const batchCharacters = 4_194_304
/** What some instance once took is taken, whatever its bound was. */
const bodyBytesMax = 67_108_864
const lineCharactersMax = 4 * bodyBytesMax

/** Reads back what `export` wrote. */
export const importLetters: CommandDef = storeCommand({
  name: 'import',
  description: 'Read letters back that `export` wrote, as they were; those that are there stay as they are',
  args: {
    file: { type: 'positional', required: false, description: 'JSON lines, - for the standard input (-)' },
    'retention-days': {
      type: 'string',
      description: 'How long they are kept by Redis, as the instances of the fleet have it (30)',
      valueHint: 'n',
    },
  },
  prepare(given) {
    const file = textOf(given, 'file') ?? '-'
    const retentionDays = countOf(given, 'retention-days', 36_500)
    return async (stores) => {
      const queue = queueOf(stores, { bodyBytesMax, ...(retentionDays === undefined ? {} : { retentionDays }) })
      return report(stores, await readAll(queue, file))
    }
  },
})

type Counts = Record<Added['status'], number>

async function readAll(queue: DeadLetters, file: string): Promise<Counts> {
  const counts: Counts = { added: 0, present: 0, gone: 0 }
  for await (const batch of batchesOf(file)) {
    const results = await Promise.allSettled(batch.map((line) => restore(queue, line)))
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason
      counts[result.value] += 1
    }
  }
  return counts
}

interface Line {
  readonly number: number
  readonly text: string
}

/** The lines of a file that are not empty, some at a time. @throws ConfigError for a file that cannot be read */
async function* batchesOf(file: string): AsyncGenerator<readonly Line[]> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  let number = 0
  let characters = 0
  let batch: Line[] = []
  try {
    for await (const text of linesOf(input)) {
      number += 1
      if (text.trim() === '') continue
      batch.push({ number, text })
      characters += text.length
      if (batch.length < batchLines && characters < batchCharacters) continue
      yield batch
      batch = []
      characters = 0
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new ConfigError('file', `${JSON.stringify(file)} is no file that can be read`, { cause: error })
  }
  yield batch
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  input.setEncoding('utf8')
  let parts: string[] = []
  let characters = 0
  for await (const chunk of input as AsyncIterable<string>) {
    const [first = '', ...others] = chunk.split('\n')
    parts.push(first)
    characters += first.length
    if (characters > lineCharactersMax)
      throw new ConfigError('file', 'there is a line in it that is longer than any letter')
    for (const next of others) {
      yield parts.join('')
      parts = [next]
      characters = next.length
    }
  }
  yield parts.join('')
}

/** @throws ConfigError naming the line, for what is no letter */
async function restore(queue: DeadLetters, { number, text }: Line): Promise<Added['status']> {
  try {
    return await queue.restore(JSON.parse(text) as Letter)
  } catch (error) {
    if (error instanceof SyntaxError) throw new ConfigError(`line ${number}`, 'is no JSON', { cause: error })
    if (error instanceof ConfigError || error instanceof OverCapacityError)
      throw new ConfigError(`line ${number}`, error.message, { cause: error })
    throw error
  }
}

function report({ fleet, screen }: Stores, counts: Counts): ExitCode {
  const { added, present, gone } = counts
  if (screen.json) screen.printJson({ fleet, ...counts })
  else {
    screen.print(`took in ${counted(added)}; there already: ${present}`)
    if (gone > 0) screen.print(`kept out, since delivered or purged within a day: ${gone}`)
  }
  return gone > 0 ? exitCodes.notAll : exitCodes.fine
}
