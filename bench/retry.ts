import { ExponentialBackoff, handleAll, retry as cockatielRetry } from 'cockatiel'
import pRetry from 'p-retry'
import { retry } from 'switchgear'
import { awaiting, bare, resolves } from './calls.ts'
import { compare, type Bench } from './harness.ts'

/** What retrying costs the calls that need none. */
export const retryBench: Bench = {
  name: 'retry',
  what: 'ratio to `await fn()`, where fn is an async function that resolves at once',
  async run() {
    const ours = retry({ maxAttempts: 3 })
    const cockatiel = cockatielRetry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() })
    return compare({
      baseline: bare,
      rows: [
        {
          id: 'firstAttempt',
          what: 'one attempt that succeeds',
          goal: { atMost: 2.5 },
          ours: awaiting(() => ours(resolves)),
          peers: {
            cockatiel: awaiting(() => cockatiel.execute(resolves)),
            'p-retry': awaiting(() => pRetry(resolves, { retries: 2 })),
          },
        },
      ],
    })
  },
}
