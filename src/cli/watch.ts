import type { CommandDef } from 'citty'
import { filter, skip, type Subscription } from 'rxjs'
import { explainReason, type Link, type Transition } from '../index.ts'
import { readableTime } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { fleetCommand, type Joined } from './fleet-command.ts'
import { textOf } from './given.ts'
import { printable } from './printable.ts'
import type { Screen } from './screen.ts'
import { notClosed, standingsOf, standingsTable } from './standing.ts'

/** What is not closed, and then each transition as it happens, until it is told to end. */
export const watch: CommandDef = fleetCommand({
  name: 'watch',
  description: 'What is not closed, then a line for each transition as it happens, until SIGINT or SIGTERM',
  args: { breaker: { type: 'positional', required: false, description: 'Only this one' } },
  prepare(given) {
    const breaker = textOf(given, 'breaker')
    return (joined) => follow(joined, (name) => breaker === undefined || name === breaker)
  },
})

async function follow(joined: Joined, isShown: (breaker: string) => boolean): Promise<ExitCode> {
  const { gear, screen } = joined
  showStanding(joined, isShown)
  const watching: Subscription = gear.transitions$
    .pipe(filter(({ breaker }) => isShown(breaker)))
    .subscribe((transition) => showTransition(transition, screen))
  watching.add(gear.link$.pipe(skip(1)).subscribe((link) => showLink(link, screen)))
  await untilTold()
  watching.unsubscribe()
  return exitCodes.fine
}

function showStanding({ gear, screen }: Joined, isShown: (breaker: string) => boolean): void {
  const all = standingsOf(gear).filter(({ breaker }) => isShown(breaker))
  const troubled = notClosed(all)
  const now = Date.now()
  if (screen.json) {
    screen.printJson({ type: 'link', at: now, state: 'linked' })
    for (const each of troubled) screen.printJson({ type: 'state', at: now, ...each })
    return
  }
  if (troubled.length > 0) screen.print(`${standingsTable(troubled, now, screen)}\n`)
  screen.print(`watching fleet "${gear.fleet}": ${troubled.length} of ${all.length} breakers are not closed`)
}

function showTransition(transition: Transition, screen: Screen): void {
  const { breaker, from, to, by, at, term, reason, counts } = transition
  const why = explainReason(reason, counts)
  if (screen.json) return screen.printJson({ type: 'transition', ...transition, why })
  const change = `${from} -> ${screen.mode(to, to)}`
  const who = `by ${printable(by)}: ${printable(why)}`
  screen.print(`${readableTime(at)}  ${printable(breaker)}  ${change}  ${who}${screen.dim(` (term ${term})`)}`)
}

function showLink(link: Link, screen: Screen): void {
  const at = Date.now()
  if (screen.json) return screen.printJson({ type: 'link', ...link, at })
  const time = readableTime(at)
  if (link.state === 'down')
    screen.print(`${time}  link down: ${printable(link.why)}; what happens now is told when it is back`)
  if (link.state === 'linked') screen.print(`${time}  linked`)
}

/** Until a signal comes. Without a connection nothing else would keep the process. */
function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 60_000)
    const end = (): void => {
      clearInterval(alive)
      resolve()
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
}
