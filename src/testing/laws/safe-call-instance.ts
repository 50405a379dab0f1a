import { memoryLog } from '../../adapters/memory/event-log.ts'
import { createSafeCall } from '../../streams/safe-call/safe-call.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { MakeSafeCallInstance } from './safe-call-scenario.ts'

/** An instance of the real parts, without the door around them. */
export const safeCallInstance: MakeSafeCallInstance = ({ breakers, ...parts }) => {
  const { clock, random } = parts
  const log = memoryLog({ clock, random })
  const options = breakers['law'] ?? {}
  const [instance] = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options }).instances
  if (instance === undefined) throw new Error('no instance')
  return {
    safeCall: createSafeCall({
      ...parts,
      breakerOf: (name) => instance.breaker(name),
      isClosing: () => !instance.alive,
    }),
    breaker: (name) => instance.breaker(name),
    async ready() {
      await instance.replica.whenLinked(1_000)
    },
    close: async () => instance.crash(),
  }
}
