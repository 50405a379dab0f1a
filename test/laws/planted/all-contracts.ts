import { randomUUID } from 'node:crypto'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisLetters } from '../../../src/adapters/redis/letters.ts'
import { natsLog } from '../../../src/nats.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisCache, redisLimiter } from '../../../src/redis.ts'
import type { TestFunction } from '../../../src/testing/port-contracts/contract.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import type { Broken } from './all-laws.ts'

/** The servers that a contract is tried on; none is needed for those in memory. */
export interface Servers {
  readonly nats: string
  readonly redis: string
}

/** Servers outlive what is loaded here. */
const freshFleet = (): string => `planted-${randomUUID()}`
const parts = { clock: systemClock, random: systemRandom }
const patient = { deadlineMs: 5_000 }

const contracts: Readonly<Record<string, (test: TestFunction, servers: Servers) => void>> = {
  'portContracts.letterStore': (test) => portContracts.letterStore(test, () => memoryLetters()),
  'portContracts.letterStore on Redis': (test, { redis }) =>
    portContracts.letterStore(test, () => {
      const connection = redisConnection({ url: redis }, parts, 'test')
      const fleet = freshFleet()
      return redisLetters({ connection, fleet, retentionMs: 86_400_000, inTime: (ask) => ask(), clock: systemClock })
    }),
  'portContracts.limiter on Redis': (test, { redis }) =>
    portContracts.limiter(test, (limits) => redisLimiter({ url: redis, limits, ...patient })),
  'portContracts.cache on Redis': (test, { redis }) =>
    portContracts.cache(test, () => redisCache({ url: redis, fleet: freshFleet(), ...patient })),
  'portContracts.eventLog on NATS': (test, { nats }) => portContracts.eventLog(test, () => natsLog({ servers: nats })),
}

/** How many sentences of the contract it takes until one does not hold, and which; `undefined` when all of them do. */
export async function breakContract(name: string, servers: Servers): Promise<Broken | undefined> {
  const clauses: { readonly says: string; readonly run: () => Promise<void> }[] = []
  contracts[name]?.((says, run) => clauses.push({ says, run }), servers)
  if (clauses.length === 0) throw new Error(`there is no contract ${name}`)
  for (const [at, { says, run }] of clauses.entries()) {
    const broken = await run().then(
      () => false,
      () => true,
    )
    if (broken) return { cases: at + 1, because: says }
  }
  return undefined
}
