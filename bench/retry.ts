import { ExponentialBackoff, handleAll, retry as cockatielRetry } from 'cockatiel'
import pRetry from 'p-retry'
import {
  defer,
  lastValueFrom,
  mergeMap,
  type Observable,
  type ObservableInput,
  range,
  reduce,
  retry as rxjsRetry,
} from 'rxjs'
import { createSwitchgear, deliver, retry, type DeliverOptions } from 'switchgear'
import { awaiting, bare, resolves } from './calls.ts'
import { compare, type Bench, type Contender } from './harness.ts'

/** What retrying costs the calls that need none. */
export const retryBench: Bench = {
  name: 'retry',
  what: 'ratio to `await fn()`, where fn is an async function that resolves at once',
  async run() {
    const ours = retry({ maxAttempts: 3 })
    const cockatiel = cockatielRetry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() })
    const gear = createSwitchgear()
    const smtp = gear.breaker('smtp')
    const measured = await compare({
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
        {
          id: 'deliver',
          what: 'deliver, per item that succeeds at once',
          goal: { atMost: 8 },
          limit: '6.7 (mergeMap alone)',
          ours: delivering({ to: resolves }),
          peers: { 'mergeMap+defer+retry': mergeMapping(true), mergeMap: mergeMapping(false) },
        },
        {
          id: 'deliverGuarded',
          what: 'the same through a breaker, fairly among 3 keys',
          ours: delivering({ to: resolves, through: smtp, key: (n) => keys[n % keys.length] ?? '' }),
        },
      ],
    })
    await gear.close({ deadlineMs: 0 })
    return measured
  },
}

const concurrency = 32
/** Items that come at once; the first have a place, and the others wait for one. */
const batch = 1_000
const keys = ['acme', 'globex', 'initech']

function delivering(options: DeliverOptions<number, number>): Contender {
  const operator = deliver({ concurrency, maxWaiting: batch, retry: { maxAttempts: 3 }, ...options })
  return inBatches((items) =>
    operator(range(0, items)).pipe(reduce((sum, { status }) => sum + (status === 'delivered' ? 1 : NaN), 0)),
  )
}

/** What one would write with RxJS alone, which has neither outcomes nor fairness, nor a bound for what waits. */
function mergeMapping(retries: boolean): Contender {
  const send: () => ObservableInput<number> = retries
    ? () => defer(resolves).pipe(rxjsRetry({ count: 2, delay: 1_000 }))
    : resolves
  return inBatches((items) =>
    range(0, items).pipe(
      mergeMap(send, concurrency),
      reduce((sum, one) => sum + one, 0),
    ),
  )
}

function inBatches(make: (items: number) => Observable<number>): Contender {
  return async (calls) => {
    let sum = 0
    for (let left = calls; left > 0; left -= batch) sum += await lastValueFrom(make(Math.min(batch, left)))
    return sum
  }
}
