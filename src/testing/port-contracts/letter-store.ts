import type { LetterStore } from '../../ports/letter-store.ts'
import type { TestFunction } from './contract.ts'
import { letterClauses } from './letter-store-letters.ts'
import { jobClauses } from './letter-store-jobs.ts'

/**
 * Tries the contracts of the ports `LetterStore` and `RedriveJobs` on an adapter, under the queue that decides: one test
 * for each sentence. `make` gives an empty store; each test closes its own.
 * @example portContracts.letterStore(test, () => myLetters())
 */
export function letterStoreContract(test: TestFunction, make: () => LetterStore | Promise<LetterStore>): void {
  for (const { says, holds } of [...letterClauses, ...jobClauses]) {
    test(`letter store: ${says}`, async () => {
      const store = await make()
      try {
        await holds(store)
      } finally {
        await store.close?.()
      }
    })
  }
}
