import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { sized } from '../../test/sized.ts'
import { messagesAtOnce } from '../src/delivery/deliver-messages.ts'
import { type PostedAlert, postAlerts } from './servers/client.ts'
import { figures, fleetAlerts, print, receiptsById, tally, wronglyArrived } from './servers/fleet-alerts.ts'
import { type OutsideWorld, startOutsideWorld } from './servers/outside-world.ts'
import { type ServiceFleet, startServiceFleet } from './servers/service-fleet.ts'
import { steadyPublishing, steadyTraffic, type TrafficReport } from './servers/steady-traffic.ts'

const { fleetName, alertsNamed, messagesOf, configFor, settledOutcomes } = fleetAlerts()

const perSecond = sized(60, 200)
const trafficMs = sized(12_000, 60_000)
/** One in so many comes over NATS. */
const overNats = 10
/** When faults begin, and how long they last, in ms from the first alert. */
const faults = {
  channelDead: { afterMs: sized(1_000, 5_000), forMs: sized(4_000, 20_000) },
  killed: { afterMs: sized(2_500, 12_000), forMs: sized(500, 2_000) },
  redisFrozen: { afterMs: sized(7_000, 32_000), forMs: sized(1_500, 5_000) },
  natsDown: { afterMs: sized(9_500, 45_000), forMs: sized(500, 2_000) },
}
/** What an accepted request may take, in ms. The suite's machine may be busy with other tests: then it may not hang. */
const answerMsMax = sized(15_000, 1_000)
/** What may lie between the sending of a message and its record, in ms; likewise. */
const recordMsMax = sized(15_000, 1_000)
/** How late a request that came before the kill may be noticed, in ms: who counts is this process, which is busy, too. */
const noticedMsMax = sized(5_000, 50)
/** Longer than a claim lasts whose worker was killed. */
const settledWithinMs = 120_000

interface SeenBreaker {
  readonly name: string
  readonly mode: string
  readonly term: number
}

describe('three instances on one PostgreSQL, Redis and NATS', () => {
  let world: OutsideWorld
  let fleet: ServiceFleet
  beforeAll(async () => {
    world = await startOutsideWorld()
    fleet = await startServiceFleet(3, fleetName, configFor(world, 5_000))
  }, 120_000)
  afterAll(async () => {
    await fleet.end()
    await world.close()
  })

  it('lose nothing and agree while one is killed, Redis is frozen, NATS restarts and a channel is dead', async () => {
    const all = alertsNamed('faults', (perSecond * trafficMs) / 1_000)
    const published = all.filter((_, index) => index % overNats === 0)
    const posted = all.filter((_, index) => index % overNats !== 0)
    const seen = { killedAt: 0, backAfterMs: 0, modes: [] as readonly ReadonlySet<string>[] }
    const startedAt = performance.now()
    const at = (ms: number): Promise<void> => sleep(Math.max(0, startedAt + ms - performance.now()))
    const [report] = await Promise.all([
      postAll(posted, perSecond * (1 - 1 / overNats)),
      steadyPublishing(fleet.nats.url, fleetName, published, perSecond / overNats),
      channelDies(),
      instanceDies(),
      redisFreezes(),
      natsRestarts(),
    ])
    const lastAcceptedAt = performance.now()
    const outcomes = await settledOutcomes(fleet.database, all, settledWithinMs)
    const settledAfterMs = performance.now() - lastAcceptedAt
    const agreedAfterMs = await agreement()

    const repeated = [...receiptsById(world.receipts).values()].filter(({ length }) => length > 1)
    print({
      'alerts, of them over NATS': `${all.length}, ${published.length}`,
      outcomes: tally(outcomes.map(({ of, state }) => `${of.split('/')[2]} ${state}`)),
      'accepted requests, in ms': figures(report.answeredMs),
      'requests made again': report.otherwise,
      'killed instance listened again after, in ms': seen.backAfterMs,
      'sent twice, how long before the kill, in ms': repeated.map(([first]) => seen.killedAt - (first?.at ?? 0)),
      'all settled after the last was accepted, in ms': Math.round(settledAfterMs),
      'breakers agreed after that, in ms': Math.round(agreedAfterMs),
      'modes of Slack seen by each instance': seen.modes.map((modes) => [...modes].join(' ')),
    })

    expect(outcomes.map(({ of }) => of).toSorted()).toEqual(messagesOf(all))
    expect(outcomes.filter(({ state }) => state !== 'delivered' && state !== 'deadLettered')).toEqual([])
    expect(outcomes.filter(({ of, state }) => of.endsWith('/hook') && state !== 'delivered')).toEqual([])
    expect(wronglyArrived(outcomes, world.receipts)).toEqual([])
    // Only what was between its send and its record when its instance was killed.
    expect(repeated.length).toBeLessThan(messagesAtOnce)
    for (const receipts of repeated) {
      const [first, second, ...more] = receipts
      expect(more).toEqual([])
      expect(first?.at).toBeGreaterThan(seen.killedAt - recordMsMax)
      expect(first?.at).toBeLessThanOrEqual(seen.killedAt + noticedMsMax)
      expect(second?.at).toBeGreaterThan(seen.killedAt)
    }
    expect(Math.max(...report.answeredMs)).toBeLessThan(answerMsMax)

    async function channelDies(): Promise<void> {
      const { afterMs, forMs } = faults.channelDead
      await at(afterMs)
      const answer = world.slack.answer
      world.slack.answer = (_request, response) => void response.socket?.destroy()
      const watch = watchModes(`slack:127.0.0.1:${world.slack.port}`)
      await at(afterMs + forMs)
      const areAllOpen = (): true | undefined => watch.noted.every((modes) => modes.has('open')) || undefined
      try {
        await until('each instance to have shown that it is open', areAllOpen, 60_000)
      } finally {
        await watch.end()
      }
      world.slack.answer = answer
      seen.modes = watch.noted
    }

    async function instanceDies(): Promise<void> {
      const { afterMs, forMs } = faults.killed
      await at(afterMs)
      await fleet.instances[1]?.kill()
      seen.killedAt = Date.now()
      await at(afterMs + forMs)
      await fleet.startAgain(1)
      seen.backAfterMs = Date.now() - seen.killedAt
    }

    async function redisFreezes(): Promise<void> {
      const { afterMs, forMs } = faults.redisFrozen
      await at(afterMs)
      fleet.redis.freeze()
      await at(afterMs + forMs)
      fleet.redis.thaw()
    }

    async function natsRestarts(): Promise<void> {
      const { afterMs, forMs } = faults.natsDown
      await at(afterMs)
      await fleet.nats.kill()
      await at(afterMs + forMs)
      await fleet.nats.start()
    }
  })

  it('lose and repeat nothing while they are restarted one after the other', async () => {
    const before = world.receipts.length
    const all = alertsNamed('rolling', (perSecond * trafficMs) / 2_000)
    const [report, codes] = await Promise.all([postAll(all, perSecond), restartAll()])
    const outcomes = await settledOutcomes(fleet.database, all, settledWithinMs)
    const ids = world.receipts.slice(before).map(({ messageId }) => messageId)
    print({
      alerts: all.length,
      outcomes: tally(outcomes.map(({ of, state }) => `${of.split('/')[2]} ${state}`)),
      'accepted requests, in ms': figures(report.answeredMs),
      'requests made again': report.otherwise,
      'exit codes': codes,
      'sent twice': ids.length - new Set(ids).size,
    })

    expect(codes).toEqual([0, 0, 0])
    expect(outcomes.map(({ of }) => of).toSorted()).toEqual(messagesOf(all))
    expect(new Set(outcomes.map(({ state }) => state))).toEqual(new Set(['delivered']))
    expect(ids.length).toBe(new Set(ids).size)
    expect(wronglyArrived(outcomes, world.receipts)).toEqual([])
    expect(Math.max(...report.answeredMs)).toBeLessThan(answerMsMax)

    async function restartAll(): Promise<readonly (number | undefined)[]> {
      const ended: (number | undefined)[] = []
      for (const [index, instance] of [...fleet.instances].entries()) {
        ended.push(await instance.terminate())
        await fleet.startAgain(index)
      }
      return ended
    }
  })

  function postAll(alerts: readonly PostedAlert[], rate: number): Promise<TrafficReport> {
    const urls = (): readonly string[] => fleet.instances.map(({ url }) => url)
    return steadyTraffic({ alerts, alertsInPost: 5, perSecond: rate, urls })
  }

  async function breakersOf(url: string): Promise<readonly SeenBreaker[]> {
    const { breakers } = (await (await fetch(`${url}/v1/breakers`)).json()) as { breakers: readonly SeenBreaker[] }
    return breakers.map(({ name, mode, term }) => ({ name, mode, term }))
  }

  /** How long it took until all instances showed the same breakers, all of them closed. */
  async function agreement(): Promise<number> {
    const askedAt = performance.now()
    let calls = 0
    await until(
      'all instances to agree',
      async () => {
        // A breaker that opened last is closed by the next call, which a machine as busy as this may not have seen yet.
        await postAlerts(fleet.instances[0]?.url ?? '', alertsNamed(`call${(calls += 1)}`, 1))
        await sleep(500)
        const [first = [], ...others] = await Promise.all(fleet.instances.map(({ url }) => breakersOf(url)))
        const isClosed = first.length >= 2 && first.every(({ mode }) => mode === 'closed')
        const agree = others.every((other) => JSON.stringify(other) === JSON.stringify(first))
        return (isClosed && agree) || undefined
      },
      120_000,
    )
    return performance.now() - askedAt
  }

  /** Notes in which modes each instance has a breaker, until the end. */
  function watchModes(breaker: string): {
    readonly noted: readonly ReadonlySet<string>[]
    end(): Promise<void>
  } {
    const noted = fleet.instances.map(() => new Set<string>())
    const look = async (): Promise<void> => {
      for (const [index, { url }] of fleet.instances.entries()) {
        const breakers = await breakersOf(url).catch(() => [])
        for (const { name, mode } of breakers) if (name === breaker) noted[index]?.add(mode)
      }
    }
    const watching = new AbortController()
    const watched = (async () => {
      while (!watching.signal.aborted) {
        await look()
        await sleep(100)
      }
    })()
    return {
      noted,
      async end() {
        watching.abort()
        await watched
      },
    }
  }
})
