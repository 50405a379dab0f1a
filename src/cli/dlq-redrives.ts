import type { CommandDef } from 'citty'
import type { Redrive } from '../index.ts'
import { queueOf } from './dlq-queue.ts'
import { readableDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { progressOf } from './follow-redrives.ts'
import { isGiven, textOf } from './given.ts'
import { storeCommand, type Stores } from './store-command.ts'
import { table } from './table.ts'

/** The jobs of an organization: for who wants to watch or end one, and does not have its id. */
export const redrives: CommandDef = storeCommand({
  name: 'redrives',
  description: 'The redrives of an organization, newest first, at most 100; each is kept for a day after its end',
  args: {
    organization: { type: 'positional', required: true, description: 'Whose' },
    'under-way': { type: 'boolean', description: 'Those alone that are not over' },
  },
  prepare(given) {
    const [organization, underWay] = [textOf(given, 'organization') ?? '', isGiven(given, 'under-way')]
    return (stores) => list(stores, organization, underWay)
  },
})

async function list(stores: Stores, organization: string, underWay: boolean): Promise<ExitCode> {
  const { fleet, screen } = stores
  const jobs = await queueOf(stores).redrives.list(organization, { underWay })
  if (screen.json) screen.printJson({ fleet, organization, at: Date.now(), items: jobs.map(progressOf) })
  else if (jobs.length === 0) screen.print(`fleet "${fleet}" has no such redrive`)
  else screen.print(jobsTable(jobs))
  return exitCodes.fine
}

function jobsTable(jobs: readonly Redrive[]): string {
  const now = Date.now()
  return table(
    ['ID', 'AGE', 'STATE', 'DONE', 'TOTAL', 'DELIVERED', 'FAILED', 'PARKED', 'SKIPPED'],
    jobs.map(({ id, startedAt, state, done, total, delivered, failed, parked, skipped }) => {
      const counts = [done, total, delivered, failed, parked, skipped].map(String)
      return [id, readableDuration(Math.max(0, now - startedAt)), state, ...counts].map((text) => ({ text }))
    }),
  )
}
