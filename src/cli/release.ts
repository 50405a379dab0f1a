import type { CommandDef } from 'citty'
import type { BreakerState, Order } from '../index.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { fleetCommand, type Joined } from './fleet-command.ts'
import { orderArgs, readOrder, showTaken } from './order.ts'
import { printable } from './printable.ts'
import { standing } from './standing.ts'

/** Ends an order: the breaker is closed, and its rules hold again. */
export const release: CommandDef = fleetCommand({
  name: 'release',
  description: 'End an order: the breaker is closed, and its rules hold again',
  args: orderArgs,
  prepare(given) {
    const { breaker, order } = readOrder(given)
    return (joined) => end(joined, breaker, order)
  },
})

async function end({ gear, screen }: Joined, name: string, order: Order): Promise<ExitCode> {
  const breaker = gear.breaker(name)
  const before = breaker.state
  if (!isOrdered(before)) {
    if (screen.json) screen.printJson(standing(name, before))
    else
      screen.print(
        `breaker "${printable(name)}" has no order to release; it is ${screen.mode(before.mode, before.mode)}`,
      )
    return exitCodes.nothingThere
  }
  await breaker.release(order)
  showTaken(breaker, screen)
  return exitCodes.fine
}

function isOrdered({ mode }: BreakerState): boolean {
  return mode === 'forcedOpen' || mode === 'disabled'
}
