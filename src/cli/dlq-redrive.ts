import type { CommandDef } from 'citty'
import { ConfigError, type LettersGiven, type RedriveBounds } from '../index.ts'
import { counted, lettersArgs, readLetters } from './dlq-letters.ts'
import { queueOf } from './dlq-queue.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { followRedrives, isOver, noSuchJob, progressOf, showRedrive } from './follow-redrives.ts'
import { countOf, isGiven, severalName, textOf, type Given } from './given.ts'
import { printable } from './printable.ts'
import { storeCommand, type Stores } from './store-command.ts'

/** Sends letters again, as a job: this command has nothing to send them with, and the workers of the services do. */
export const redrive: CommandDef = storeCommand({
  name: 'redrive',
  description: 'Have the services send letters again, as a job that outlives this command, and watch it',
  args: {
    ...lettersArgs,
    rate: { type: 'string', description: 'Letters a second (no bound)', valueHint: 'n' },
    max: { type: 'string', description: 'Letters at most, the oldest (all)', valueHint: 'n' },
    'max-redrives': {
      type: 'string',
      description: 'A letter that was redriven so often without success is parked (5)',
      valueHint: 'n',
    },
    detach: { type: 'boolean', description: 'Start it, and do not watch' },
    job: { type: 'string', description: 'Instead: watch this job', valueHint: 'id' },
    cancel: { type: 'string', description: 'Instead: end this job', valueHint: 'id' },
  },
  prepare(given) {
    const [job, cancelled] = [textOf(given, 'job'), textOf(given, 'cancel')]
    for (const name of ['job', 'cancel']) if (textOf(given, name) !== undefined) checkAlone(given, name)
    if (job !== undefined) return (stores) => followRedrives(stores, queueOf(stores).redrives, [job])
    if (cancelled !== undefined) return (stores) => cancel(stores, cancelled)
    const [letters, bounds, detach] = [readLetters(given), readBounds(given), isGiven(given, 'detach')]
    return (stores) => start(stores, letters, bounds, detach)
  },
})

async function start(stores: Stores, letters: LettersGiven, bounds: RedriveBounds, detach: boolean): Promise<ExitCode> {
  const { fleet, screen } = stores
  const { redrives } = queueOf(stores)
  const jobs = await redrives.start(letters, bounds)
  if (jobs.length === 0) {
    if (!screen.json) screen.print(`fleet "${fleet}" has no such dead letter`)
    return exitCodes.nothingThere
  }
  for (const job of jobs) {
    if (screen.json) screen.printJson(progressOf(job))
    else screen.print(`job ${printable(job.id)} is started: ${counted(job.total)}`)
  }
  const ids = jobs.map(({ id }) => id)
  return detach ? exitCodes.fine : followRedrives(stores, redrives, ids)
}

async function cancel(stores: Stores, id: string): Promise<ExitCode> {
  const { redrives } = queueOf(stores)
  await redrives.cancel(id)
  const job = await redrives.get(id)
  if (job === undefined) return noSuchJob(stores, id)
  showRedrive(stores, job)
  return isOver(job) && job.state !== 'cancelled' ? exitCodes.nothingThere : exitCodes.fine
}

/** @throws ConfigError */
function checkAlone(given: Given, name: string): void {
  const others = ['job', 'cancel', ...Object.keys(lettersArgs), 'rate', 'max', 'max-redrives', 'detach']
  const other = others.find((each) => each !== name && given[each] !== undefined && given[each] !== false)
  if (other !== undefined)
    throw new ConfigError(`--${name}`, `it does not go with ${other === severalName ? 'ids of letters' : `--${other}`}`)
}

/** @throws ConfigError */
function readBounds(given: Given): RedriveBounds {
  return {
    ratePerSecond: rateOf(given),
    max: countOf(given, 'max'),
    maxRedrives: countOf(given, 'max-redrives'),
  }
}

function rateOf(given: Given): number | undefined {
  const text = textOf(given, 'rate')
  if (text === undefined) return undefined
  const rate = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  if (rate > 0 && rate <= 1_000_000) return rate
  throw new ConfigError('--rate', `expected a number above 0 and up to 1000000 (given: ${JSON.stringify(text)})`)
}
