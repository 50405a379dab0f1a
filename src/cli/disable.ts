import type { CommandDef } from 'citty'
import { exitCodes } from './exit-codes.ts'
import { fleetCommand } from './fleet-command.ts'
import { durationArgs, orderArgs, readOrder, showTaken } from './order.ts'

/** Lets every call of the whole fleet through. */
export const disable: CommandDef = fleetCommand({
  name: 'disable',
  description: 'Let every call of the whole fleet through this breaker, uncounted, for a time or until it is released',
  args: { ...orderArgs, ...durationArgs },
  prepare(given) {
    const { breaker, order } = readOrder(given)
    return async ({ gear, screen }) => {
      const ordered = gear.breaker(breaker)
      await ordered.disable(order)
      showTaken(ordered, screen)
      return exitCodes.fine
    }
  },
})
