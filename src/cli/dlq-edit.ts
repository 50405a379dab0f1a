import { createReadStream } from 'node:fs'
import type { CommandDef } from 'citty'
import { ConfigError, OverCapacityError, type DeadLetters, type Letter, type LetterChange } from '../index.ts'
import { queueOf } from './dlq-queue.ts'
import { noSuchLetter } from './dlq-show.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { countOf, textOf } from './given.ts'
import { printable } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Puts a letter right. */
export const edit: CommandDef = storeCommand({
  name: 'edit',
  description: 'Change what a letter sends, or on which channel; what stood before is kept in it',
  args: {
    id: { type: 'positional', required: true, description: 'Its id' },
    payload: {
      type: 'string',
      description: 'A file of JSON with the payload, - for the standard input',
      valueHint: 'file|-',
    },
    channel: { type: 'string', description: 'The channel', valueHint: 'name' },
    version: { type: 'string', description: 'Only if it still has this version', valueHint: 'n' },
  },
  prepare(given) {
    const [id, file, channel] = [textOf(given, 'id') ?? '', textOf(given, 'payload'), textOf(given, 'channel')]
    const version = countOf(given, 'version')
    if (file === undefined && channel === undefined) throw new ConfigError('edit', 'expected --payload or --channel')
    return async (stores) => {
      const payload = file === undefined ? {} : { payload: await readPayload(file) }
      return change(stores, id, { ...payload, channel }, version)
    }
  },
})

async function change(stores: Stores, id: string, to: LetterChange, version: number | undefined): Promise<ExitCode> {
  const { screen } = stores
  const letter = await edited(queueOf(stores), id, to, version)
  if (letter === undefined) return noSuchLetter(stores, id)
  if (screen.json) screen.printJson(letter)
  else
    screen.print(
      `letter "${printable(letter.id)}" is version ${letter.version}, for channel "${printable(letter.channel)}"`,
    )
  return exitCodes.fine
}

async function edited(
  queue: DeadLetters,
  id: string,
  to: LetterChange,
  version: number | undefined,
): Promise<Letter | undefined> {
  try {
    return await queue.edit(id, to, { version })
  } catch (error) {
    throw error instanceof OverCapacityError ? new ConfigError('--payload', error.message, { cause: error }) : error
  }
}

/** @throws ConfigError */
async function readPayload(file: string): Promise<unknown> {
  try {
    const input = file === '-' ? process.stdin : createReadStream(file)
    const chunks: Buffer[] = []
    for await (const chunk of input as AsyncIterable<Buffer>) chunks.push(chunk)
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is no JSON' : 'is no file that can be read'
    throw new ConfigError('--payload', `${JSON.stringify(file)} ${what}`, { cause: error })
  }
}
