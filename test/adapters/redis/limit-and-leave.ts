/**
 * A program that asks a limiter, does not close it, and has nothing more to do: it must end by itself. With several URLs
 * it asks a cluster.
 */
import { redisLimiter } from '../../../src/redis.ts'

const urls = process.argv.slice(2)
const limiter = redisLimiter({
  url: urls.length > 1 ? urls : (urls[0] ?? ''),
  limits: { email: { limit: 2, windowMs: 1_000 } },
  deadlineMs: 1_000,
})
const { degraded } = await limiter.check('acme', 'email')
process.stdout.write(`${degraded} done\n`)
