/**
 * A process that asks limiters at random, each time its parent sends a task, and sends `done` when that is over. It ends
 * with the channel to its parent.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisWindows } from '../../../src/adapters/redis/limiter.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { Limits } from '../../../src/ports/limiter.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { recordedScript } from './recorded-script.ts'

/** `checks` of these limits, in an order that the seed decides. */
export interface HammerTask {
  readonly url: string
  readonly seed: number
  readonly checks: number
  readonly limits: Limits
}

async function hammer({ url, seed, checks, limits }: HammerTask): Promise<void> {
  const random = seededRandom(seed)
  const below = (max: number): number => Math.floor(random.next() * max)
  const connection = redisConnection({ url }, { clock: systemClock, random: systemRandom }, 'hammer')
  const limiter = redisWindows({ connection, fleet: 'hammer', limits: checkLimits(limits), check: recordedScript() })
  for (let left = checks; left > 0;) {
    const burst = Math.min(left, 1 + below(40))
    left -= burst
    await Promise.all(Array.from({ length: burst }, () => limiter.check('acme', request(limits, below))))
    if (below(3) === 0) await sleep(below(15))
  }
  await limiter.close?.()
}

function request(limits: Limits, below: (max: number) => number): { name: string; cost: number }[] {
  const names = Object.keys(limits)
  const count = 1 + below(names.length)
  const first = below(names.length)
  return names
    .map((_, index) => names[(first + index) % names.length] ?? '')
    .slice(0, count)
    .map((name) => {
      const most = Math.max(1, Math.floor((limits[name]?.limit ?? 1) / 20))
      return { name, cost: 1 + below(below(4) === 0 ? most : 2) }
    })
}

process.on('message', (task: HammerTask) => {
  void hammer(task).then(() => process.send?.('done'))
})
process.on('disconnect', () => process.exit())
