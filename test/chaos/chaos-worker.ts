/**
 * A process that is one instance of the fleet, and uses everything that it shares with the others all the time: it tells its
 * parent of each thing that it saw at once, so that what it told before a `kill -9` stands. It ends with the channel to its
 * parent, however that ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSwitchgear } from '../../src/index.ts'
import { natsLog } from '../../src/nats.ts'
import { redisCache, redisDeadLetters, redisLimiter } from '../../src/redis.ts'
import { draftOf } from '../dead-letters/numbered-draft.ts'
import { commonNow } from '../fleet/common-clock.ts'
import { breakerNames, hotLimit, type Living, type Seen } from './chaos-records.ts'

const living = JSON.parse(process.argv[2] ?? '{}') as Living
const { fleet, instance, life, nats, redis, dependency, spill } = living
const tell = (seen: Seen): void => void process.send?.(seen)
const soon = { multiplier: 1, jitter: 'none' } as const
const options = {
  failureThreshold: 3,
  recoveryTimeoutMs: 500,
  recoveryBackoff: soon,
  probe: { leaseMs: 2_000 },
  timeoutMs: 800,
}
const place = { url: redis, fleet }
const deadLetters = redisDeadLetters({ ...place, spill: { directory: spill }, lettersMax: 100_000 })
const cache = redisCache({ ...place, kinds: { seen: { ttlMs: 60_000, scope: 'counts' } } })
const gear = createSwitchgear({
  fleet,
  instance,
  log: natsLog({ servers: nats, heartbeatMs: 500 }),
  limiter: redisLimiter({ ...place, limits: { hot: hotLimit } }),
  deadLetters,
  cache,
  breakers: Object.fromEntries(breakerNames.map((name) => [name, options])),
  logger: { info: () => {}, warn: () => {}, error: () => {} },
})
gear.transitions$.subscribe(({ breaker, from, to, scope, term, seq }) => {
  // Who was frozen hears of it when its recovery time is over, and may let a probe through: but not every call.
  const refuses = !gear.breaker(breaker).passes
  tell({ what: 'transition', instance, breaker, from, to, scope, term, seq, refuses })
})

process.on('disconnect', () => process.exit())
process.on('message', () => void standing())

let stopped = false
process.once('SIGTERM', () => (stopped = true))
void Promise.all([keepCalling(), keepAsking(), keepLosing(), keepReading()])

async function keepCalling(): Promise<void> {
  for (; !stopped; await sleep(30))
    for (const name of breakerNames) {
      const call = gear.breaker(name).run(async ({ signal }) => {
        const answer = await fetch(`${dependency}/${name}/${instance}`, { signal })
        await answer.arrayBuffer()
        if (!answer.ok) throw new Error('down')
      })
      void call.catch(() => {}).then(() => tell({ what: 'call' }))
    }
}

async function keepAsking(): Promise<void> {
  for (; !stopped; await sleep(15)) {
    const from = commonNow()
    const { allowed, degraded } = await gear.limiter.check('acme', 'hot')
    tell({ what: 'decision', granted: allowed && !degraded, degraded, from, to: commonNow() })
  }
}

async function keepLosing(): Promise<void> {
  for (let n = 0; !stopped; n++, await sleep(60)) {
    const draft = draftOf(`${instance}.${life}`, n)
    await deadLetters.enqueue(draft).then(
      ({ id }) => tell({ what: 'letter', id }),
      () => tell({ what: 'refused letter' }),
    )
  }
}

/** What this instance has invalidated, it does not read again. */
async function keepReading(): Promise<void> {
  const address = { organization: instance, kind: 'seen', key: 'a' }
  for (let version = 1; !stopped; version++, await sleep(50)) {
    const valid = await cache.invalidate({ organization: instance, scope: 'counts' }).then(
      () => true,
      () => false,
    )
    const asked = version
    const read = await cache.wrap(address, () => Promise.resolve({ version })).catch(() => undefined)
    if (read !== undefined) tell({ what: 'read', isOld: valid && read.version < asked })
  }
}

async function standing(): Promise<void> {
  const stats = await deadLetters.stats({ organization: 'nobody' }).catch(() => ({ spilled: Infinity }))
  const { link, log } = gear.health()
  const states = breakerNames.map((name) => {
    const { mode, term, scope } = gear.breaker(name).state
    return { breaker: name, mode, term, scope }
  })
  tell({ what: 'standing', link, divergences: log.divergences, spilled: stats.spilled, states })
}
