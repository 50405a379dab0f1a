import type { CommandDef } from 'citty'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { fleetCommand, type Joined } from './fleet-command.ts'
import { isGiven, textOf } from './given.ts'
import { printable } from './printable.ts'
import { notClosed, standingsOf, standingsTable } from './standing.ts'

/** Where each breaker of the fleet stands, worst first. */
export const status: CommandDef = fleetCommand({
  name: 'status',
  description: 'Where the breakers of the fleet stand, worst first: since when, why, by whom, and what is next',
  args: {
    breaker: { type: 'positional', required: false, description: 'Only this one' },
    check: { type: 'boolean', description: 'Exit with 1 if a breaker is not closed' },
  },
  prepare(given) {
    const breaker = textOf(given, 'breaker')
    const check = isGiven(given, 'check')
    return (joined) => show(joined, breaker, check)
  },
})

function show({ gear, screen }: Joined, breaker: string | undefined, check: boolean): ExitCode {
  const all = standingsOf(gear)
  const shown = breaker === undefined ? all : all.filter((each) => each.breaker === breaker)
  const troubled = notClosed(shown).length
  const now = Date.now()
  const { fleet, link } = gear.health()
  const known = breaker === undefined || shown.length > 0
  if (screen.json) screen.printJson({ fleet, link, at: now, total: shown.length, notClosed: troubled, breakers: shown })
  else {
    if (shown.length > 0) screen.print(`${standingsTable(shown, now, screen)}\n`)
    const count = known ? `${counted(shown.length)}, ${troubled} not closed` : neverHeardOf(breaker)
    screen.print(`fleet "${fleet}" is ${link}: ${count}`)
  }
  if (!known) return exitCodes.nothingThere
  return check && troubled > 0 ? exitCodes.notClosed : exitCodes.fine
}

/** A breaker enters the log when it changes for the first time, so one that was always closed is not there. */
function neverHeardOf(breaker: string): string {
  return `its log knows no breaker "${printable(breaker)}": it was always closed, or has another name`
}

function counted(breakers: number): string {
  return breakers === 1 ? '1 breaker' : `${breakers} breakers`
}
