import type { CommandDef } from 'citty'
import type { Letter, LetterAttempt, LetterEdit } from '../index.ts'
import { queueOf } from './dlq-queue.ts'
import { readableDuration, readableTime } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { textOf } from './given.ts'
import { printable, printableJson } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** A letter, whole. */
export const showLetter: CommandDef = storeCommand({
  name: 'show',
  description: 'A letter, whole: what is to be sent, why it was not, what was tried, what its edits replaced',
  args: { id: { type: 'positional', required: true, description: 'Its id' } },
  prepare(given) {
    const id = textOf(given, 'id') ?? ''
    return (stores) => show(stores, id)
  },
})

async function show(stores: Stores, id: string): Promise<ExitCode> {
  const letter = await queueOf(stores).get(id)
  if (letter === undefined) return noSuchLetter(stores, id)
  const { screen } = stores
  if (screen.json) screen.printJson(letter)
  else screen.print(described(letter))
  return exitCodes.fine
}

/** Says so, and gives the exit code that does. */
export function noSuchLetter({ fleet, screen }: Stores, id: string): ExitCode {
  if (screen.json) screen.printJson(null)
  else screen.print(`fleet "${fleet}" has no dead letter "${printable(id)}"`)
  return exitCodes.nothingThere
}

function described(letter: Letter): string {
  const { error, attempts, payload, edits = [] } = letter
  return [
    ...facts(letter).map(([name, value]) => `${name.padEnd(14)}${printable(value)}`),
    ...section('stack', (error.stack ?? '').split('\n').map(printable)),
    ...section('attempts', attempts.map(attemptLine)),
    ...section('payload', [printableJson(payload, 2)]),
    ...edits.flatMap((each) => section(`before the edit of ${readableTime(each.at)}`, editLines(each))),
  ].join('\n')
}

function facts(letter: Letter): readonly (readonly [string, string])[] {
  const { id, organization, channel, messageId, errorType, error, parked, version, createdAt, updatedAt } = letter
  const age = `${readableDuration(Math.max(0, Date.now() - createdAt))} ago`
  return [
    ['id', id],
    ['organization', organization],
    ['channel', channel],
    ['message', messageId],
    ['type', errorType],
    ['error', `${error.name}: ${error.message}${error.code === undefined ? '' : ` (${error.code})`}`],
    ['created', `${readableTime(createdAt)} (${age})`],
    ['changed', updatedAt === createdAt ? 'never' : readableTime(updatedAt)],
    ['tries', `${letter.retryCount + 1}, and ${letter.redriveCount} redrives`],
    ['parked', parked ? 'yes' : 'no'],
    ['version', String(version)],
  ]
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.join('') === '' ? [] : ['', title, ...lines.map((line) => line.replaceAll(/^/gm, '  '))]
}

function attemptLine({ at, error }: LetterAttempt): string {
  return `${readableTime(at)}  ${printable(error)}`
}

function editLines({ version, channel, payload }: LetterEdit): readonly string[] {
  return [
    `version       ${version}`,
    ...(channel === undefined ? [] : [`channel       ${printable(channel)}`]),
    ...(payload === undefined ? [] : [printableJson(payload, 2)]),
  ]
}
