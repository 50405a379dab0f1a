import type { CommandDef } from 'citty'
import { exitCodes } from './exit-codes.ts'
import { fleetCommand } from './fleet-command.ts'
import { durationArgs, orderArgs, readOrder, showTaken } from './order.ts'

/** Refuses every call of the whole fleet. */
export const forceOpen: CommandDef = fleetCommand({
  name: 'force-open',
  description: 'Refuse every call of the whole fleet through this breaker, for a time or until it is released',
  args: { ...orderArgs, ...durationArgs },
  prepare(given) {
    const { breaker, order } = readOrder(given)
    return async ({ gear, screen }) => {
      const ordered = gear.breaker(breaker)
      await ordered.forceOpen(order)
      showTaken(ordered, screen)
      return exitCodes.fine
    }
  },
})
