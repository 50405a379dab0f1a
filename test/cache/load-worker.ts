/**
 * A process with a cache, many callers of one cold key, and a loader that takes a while: it says on a line that it
 * asks, when it loads, and what its callers were given. With `leave` it closes nothing, and must end by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { redisCache } from '../../src/redis.ts'

const [url = '', key = '', callers = '', loadMs = '', leave = ''] = process.argv.slice(2)
const cache = redisCache({ url, fleet: 'load', deadlineMs: 2_000, loadWaitMs: 20_000 })
const address = { organization: 'acme', kind: 'stats', key }
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const load = async (): Promise<number> => {
  say('loads')
  await sleep(Number(loadMs))
  return process.pid
}
say('asks')
const found = await Promise.all(Array.from({ length: Number(callers) }, () => cache.wrap(address, load)))
say(`found ${[...new Set(found)].join(' ')} ${found.length}`)
if (leave !== 'leave') await cache.close?.()
