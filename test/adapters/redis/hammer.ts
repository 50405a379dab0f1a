/** A process that asks a limiter at random: `hammer.ts <url> <seed> <checks> <limits as JSON>`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisWindows } from '../../../src/adapters/redis/limiter.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { Limits } from '../../../src/ports/limiter.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { recordedScript } from './recorded-script.ts'

const [url = '', seed, checks, json = '{}'] = process.argv.slice(2)
const limits = JSON.parse(json) as Limits
const random = seededRandom(Number(seed))
const connection = redisConnection({ url }, { clock: systemClock, random: systemRandom }, 'hammer')
const limiter = redisWindows({ connection, fleet: 'hammer', limits: checkLimits(limits), check: recordedScript() })
const names = Object.keys(limits)
const below = (max: number): number => Math.floor(random.next() * max)

function request(): { name: string; cost: number }[] {
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

for (let left = Number(checks); left > 0;) {
  const burst = Math.min(left, 1 + below(40))
  left -= burst
  await Promise.all(Array.from({ length: burst }, () => limiter.check('acme', request())))
  if (below(3) === 0) await sleep(below(15))
}
await limiter.close?.()
