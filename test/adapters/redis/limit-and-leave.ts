/** A program that asks a limiter, does not close it, and has nothing more to do: it must end by itself. */
import { redisLimiter } from '../../../src/redis.ts'

const limiter = redisLimiter({ url: process.argv[2] ?? '', limits: { email: { limit: 2, windowMs: 1_000 } } })
const { degraded } = await limiter.check('acme', 'email')
process.stdout.write(`${degraded} done\n`)
