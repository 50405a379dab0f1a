import { cacheContract } from './cache.ts'
import { deadLettersContract } from './dead-letters.ts'
import { eventLogContract } from './event-log.ts'
import { itemSourceContract } from './item-source.ts'
import { letterStoreContract } from './letter-store.ts'
import { limiterContract } from './limiter.ts'

/**
 * What the engine asks of its ports, as tests: one suite for each port, the same against memory and against a real
 * server, and for whoever writes an adapter. `test` is that of vitest, jest or `node:test`.
 */
export const portContracts: {
  readonly eventLog: typeof eventLogContract
  readonly deadLetters: typeof deadLettersContract
  readonly letterStore: typeof letterStoreContract
  readonly limiter: typeof limiterContract
  readonly cache: typeof cacheContract
  readonly itemSource: typeof itemSourceContract
} = Object.freeze({
  eventLog: eventLogContract,
  deadLetters: deadLettersContract,
  letterStore: letterStoreContract,
  limiter: limiterContract,
  cache: cacheContract,
  itemSource: itemSourceContract,
})
