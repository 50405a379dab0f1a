import type { EventLog } from '../../ports/event-log.ts'
import type { TestFunction } from './contract.ts'
import { appendClauses } from './event-log-append.ts'
import { followClauses } from './event-log-follow.ts'
import { fleetOn } from './log-fleet.ts'

/**
 * Tries the contract of the port `EventLog` on an adapter: one test for each sentence of it. `make` gives a log that can
 * be reached; each test uses a fleet of its own, leaves what it joined, and so closes the log.
 * @example portContracts.eventLog(test, () => myLog())
 */
export function eventLogContract(test: TestFunction, make: () => EventLog | Promise<EventLog>): void {
  for (const { says, holds } of [...appendClauses, ...followClauses]) {
    test(`event log: ${says}`, async () => {
      const fleet = fleetOn(await make())
      try {
        await holds(fleet)
      } finally {
        await fleet.end()
      }
    })
  }
}
