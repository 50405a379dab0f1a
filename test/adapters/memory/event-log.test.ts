import { test } from 'vitest'
import { memoryLog } from '../../../src/adapters/memory/event-log.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

portContracts.eventLog(test, () => memoryLog())

portContracts.eventLog(
  (name, run) => test(`${name} (each message delayed by chance)`, run),
  () => memoryLog({ random: seededRandom(7), latencyMs: { min: 0, max: 3 } }),
)
