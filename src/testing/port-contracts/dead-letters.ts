import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { TestFunction } from './contract.ts'
import { changeClauses } from './dead-letters-change.ts'
import type { DeadLettersBounds } from './dead-letters-clause.ts'
import { enqueueClauses } from './dead-letters-enqueue.ts'
import { listClauses } from './dead-letters-list.ts'
import { redriveClauses } from './dead-letters-redrive.ts'
import { restoreClauses } from './dead-letters-restore.ts'

/**
 * Tries the contract of the port `DeadLetters` on an adapter: one test for each sentence of it. `make` gives an empty
 * store with the bounds that are asked for; each test closes its own.
 * @example portContracts.deadLetters(test, (bounds) => myDeadLetters(bounds))
 */
export function deadLettersContract(
  test: TestFunction,
  make: (bounds: DeadLettersBounds) => DeadLetters | Promise<DeadLetters>,
): void {
  for (const { says, bounds, holds } of clauses) {
    test(`dead letters: ${says}`, async () => {
      const queue = await make(bounds ?? {})
      try {
        await holds(queue)
      } finally {
        await queue.close?.()
      }
    })
  }
}

const clauses = [...enqueueClauses, ...listClauses, ...changeClauses, ...restoreClauses, ...redriveClauses]
