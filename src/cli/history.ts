import type { CommandDef } from 'citty'
import { ConfigError, explainReason, type BreakerEvent, type Counts, type LogEntry } from '../index.ts'
import { readableTime } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { fleetCommand, type Joined } from './fleet-command.ts'
import { textOf, type Given } from './given.ts'
import { printable } from './printable.ts'
import { table, type Cell } from './table.ts'

/** What the log has of one breaker: who, when, why, on what counts, and whether the fleet took it. */
export const history: CommandDef = fleetCommand({
  name: 'history',
  description: 'What the log has of a breaker, newest first: who, when, why, on what counts, and whether it counted',
  args: {
    breaker: { type: 'positional', required: true, description: 'Its name' },
    limit: { type: 'string', description: 'The newest so many only (all, which are 64 at most)', valueHint: 'n' },
  },
  prepare(given) {
    const breaker = textOf(given, 'breaker') ?? ''
    const limit = limitOf(given)
    return (joined) => show(joined, breaker, limit)
  },
})

async function show({ gear, screen }: Joined, breaker: string, limit: number | undefined): Promise<ExitCode> {
  const entries: LogEntry[] = []
  const options = limit === undefined ? {} : { limit }
  for await (const entry of gear.breaker(breaker).history(options)) entries.push(entry)
  if (screen.json) screen.printJson(entries)
  else if (entries.length === 0) screen.print(`fleet "${gear.fleet}" has no history of breaker "${printable(breaker)}"`)
  else screen.print(table(['TIME', 'TAKEN', 'EVENT', 'CHANGE', 'BY', 'WHY', 'COUNTS', 'TERM'], entries.map(row)))
  return entries.length === 0 ? exitCodes.nothingThere : exitCodes.fine
}

function row({ at, accepted, why, event }: LogEntry): readonly Cell[] {
  const { from, to, reason, counts, term } = event
  const texts = [
    readableTime(at),
    accepted ? 'yes' : `no: ${why ?? ''}`,
    event.fact?.type ?? event.type,
    from === to ? to : `${from} -> ${to}`,
    authorOf(event),
    explainReason(reason, counts),
    describeCounts(counts),
    String(term),
  ]
  return texts.map((text) => ({ text }))
}

/** Who gave an order, and not the instance that passed it on. */
function authorOf({ by, fact }: BreakerEvent): string {
  return fact !== undefined && 'order' in fact && fact.order !== undefined ? fact.order.by : by
}

function describeCounts({ calls, failures, slow, consecutiveFailures }: Counts): string {
  if (calls === 0 && consecutiveFailures === 0) return ''
  return `${calls} calls, ${failures} failed, ${slow} slow, ${consecutiveFailures} in a row`
}

function limitOf(given: Given): number | undefined {
  const text = textOf(given, 'limit')
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new ConfigError('--limit', `expected a whole number of at least 1 (given: ${JSON.stringify(text)})`)
}
