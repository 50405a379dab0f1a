import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSwitchgear, type EventLog, memoryLog, type Switchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { startNats } from '../../test/servers/start-nats.ts'
import { until } from '../../test/servers/until.ts'
import { createActivity } from '../src/dashboard/activity.ts'
import { createEventHub } from '../src/dashboard/event-hub.ts'
import { startEventSources } from '../src/dashboard/event-sources.ts'
import { createEventStreams, type StreamKind, streamsMax } from '../src/dashboard/event-streams.ts'
import { fleetView, type HeardInstance } from '../src/dashboard/fleet-view.ts'
import { startLiveView } from '../src/dashboard/live-view.ts'
import type { LetterEventView } from '../src/dashboard/page/wire.ts'
import { type EventsSeen, followEvents } from './servers/events-client.ts'
import { hookAt, type SharedService, startSharedService } from './servers/shared-service.ts'

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const acme = 'webhook:hook.acme.example'

async function start(): Promise<SharedService> {
  return startSharedService(
    {
      organizations: {
        acme: { receivers: [hookAt('hook.acme.example')] },
        globex: { receivers: [hookAt('hook.globex.example')] },
      },
      engine: { breakers: { default: { failureThreshold: 1 } }, retry: { maxAttempts: 1 } },
    },
    { SWITCHGEAR_TOKENS: 'acme:acmes-token,globex:globexs-token,*:operators-token' },
  )
}

async function follow(service: SharedService, token: string, query = '', lastId?: string): Promise<EventsSeen> {
  const seen = await followEvents(`${service.url}/v1/events${query}`, token, lastId)
  ends.push(() => seen.stop())
  return seen
}

async function post(service: SharedService, organization: string): Promise<void> {
  const alert = { organization, severity: 'high', status: 'firing', type: 'disk', title: 'Disk full', message: 'sda' }
  const headers = { authorization: 'Bearer operators-token', 'content-type': 'application/json' }
  const response = await fetch(`${service.url}/v1/alerts`, { method: 'POST', headers, body: JSON.stringify(alert) })
  expect(response.status).toBe(202)
}

describe('GET /v1/events', { timeout: 60_000 }, () => {
  let service: SharedService
  beforeAll(async () => {
    service = await start()
  })
  afterAll(() => service?.stop())

  it('tells of decisions, outcomes, letters and transitions, to each organization its own', async () => {
    const all = await follow(service, 'operators-token')
    const acmes = await follow(service, 'acmes-token')
    const globexs = await follow(service, 'globexs-token')
    service.dead.add('hook.acme.example')
    await post(service, 'acme')
    await post(service, 'globex')
    const isOver = (seen: EventsSeen) => () =>
      seen.of('outcome').length === 2 && seen.of('transition').length > 0 ? true : undefined
    await until('both outcomes', isOver(all))
    await until('its outcome', () =>
      acmes.of('outcome').length === 1 && acmes.of('transition').length > 0 ? true : undefined,
    )
    await until('its outcome', () => (globexs.of('outcome').length === 1 ? true : undefined))
    expect(acmes.of('outcome')).toMatchObject([
      { organization: 'acme', receiver: 'hook', channel: 'webhook', state: 'deadLettered', instance: 'one' },
    ])
    expect(globexs.of('outcome')).toMatchObject([{ organization: 'globex', state: 'delivered' }])
    const letter = { organization: 'acme', channel: 'webhook', errorType: 'server_error' }
    expect(acmes.of('letter')).toMatchObject([letter])
    expect(JSON.stringify(acmes.of('letter'))).not.toContain('Disk full')
    const opened = acmes.of('transition').find(({ to }) => to === 'open')
    expect(opened).toMatchObject({ breaker: acme, by: 'one', reason: 'failureThreshold', counts: { failures: 1 } })
    expect(acmes.of('decision').every((decision) => decision['organization'] === 'acme')).toBe(true)
    expect(all.of('decision').map((decision) => decision['organization'])).toEqual(
      expect.arrayContaining(['acme', 'globex']),
    )
    expect(JSON.stringify(globexs.events)).not.toContain('acme')
  })

  it('tells who comes back what was missed, once each, and who was away too long to begin anew', async () => {
    const all = await follow(service, 'operators-token', '?types=outcome')
    const first = await follow(service, 'operators-token', '?types=outcome')
    await post(service, 'globex')
    await until('an outcome', () => (first.of('outcome').length === 1 ? true : undefined))
    await first.stop()
    await post(service, 'globex')
    await until('both outcomes', () => (all.of('outcome').length === 2 ? true : undefined))
    const second = await follow(service, 'operators-token', '?types=outcome', first.lastId)
    await until('what was missed', () => (second.of('outcome').length === 1 ? true : undefined))
    expect(second.kinds()).toEqual(['ready', 'outcome'])
    expect(second.of('outcome')).toMatchObject([{ organization: 'globex' }])
    const stranger = await follow(service, 'operators-token', '', 'abcdef012345-7')
    await until('an answer', () => (stranger.kinds().length > 0 ? true : undefined))
    expect(stranger.kinds()[0]).toBe('reset')
  })

  it('refuses a stranger and a kind that there is not, and ends when the service stops', async () => {
    const status = async (token: string, query: string): Promise<number> =>
      (await fetch(`${service.url}/v1/events${query}`, { headers: { authorization: `Bearer ${token}` } })).status
    expect(await status('nobodys-token', '')).toBe(401)
    expect(await status('acmes-token', '?types=secrets')).toBe(400)
    const seen = await follow(service, 'acmes-token')
    await service.stop()
    await seen.ended
  })
})

it('200 listen at the same time, and one more is told to come back, until one of them goes', async () => {
  const service = await start()
  ends.push(() => service.stop())
  const [first] = await Promise.all(Array.from({ length: streamsMax }, () => follow(service, 'acmes-token')))
  const headers = { authorization: 'Bearer operators-token' }
  const answer = await fetch(`${service.url}/v1/events`, { headers })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('5')
  expect(await answer.json()).toMatchObject({ detail: 'too many clients listen already' })
  await first?.stop()
  await until('there to be room', () => follow(service, 'operators-token'))
})

describe('a stream of events', () => {
  it('is cut off when its client does not read, and keeps nobody else waiting', async () => {
    const { hub, streams, url } = await startStreams(['letter'])
    const slow = request(url).end()
    slow.on('response', (response) => response.pause())
    slow.on('error', () => {})
    ends.push(() => void slow.destroy())
    await until('the client', () => (streams.count() === 1 ? true : undefined))
    let told = 0
    await until('the client to be cut off', () => {
      for (let index = 0; index < 1_000; index++) hub.publish('letter', letterEvent(told++))
      return streams.count() === 0 ? true : undefined
    })
    console.info(`a client that does not read is cut off after ${told} events`)
  })

  it('begins anew for who comes back for more than may wait, instead of being cut off again and again', async () => {
    const { hub, url } = await startStreams(['letter'])
    const first = hub.lastId
    for (let index = 0; index < 1_500; index++) hub.publish('letter', letterEvent(index))
    const seen = await followEvents(url, undefined, first)
    ends.push(() => seen.stop())
    await until('the beginning', () => seen.kinds()[0])
    expect(seen.kinds()[0]).toBe('reset')
    expect(seen.lastId).toBe(hub.lastId)
    hub.publish('letter', letterEvent(1_500))
    await until('what came after', () => seen.of('letter')[0])
    expect(seen.of('letter')).toMatchObject([{ messageId: '1500' }])
  })

  it('takes who was told nothing for long as one who has missed nothing', async () => {
    const { hub, url } = await startStreams(['outcome'])
    const first = hub.lastId
    for (let index = 0; index < 1_500; index++) hub.publish('letter', letterEvent(index))
    const seen = await followEvents(url, undefined, first)
    ends.push(() => seen.stop())
    await until('the beginning', () => seen.kinds()[0])
    expect(seen.kinds()[0]).toBe('ready')
    expect(seen.lastId).toBe(hub.lastId)
  })

  it('shows that it lives while nothing happens, and all of it once, also to who comes when all others have gone', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    ends.push(() => void vi.useRealTimers())
    const { hub, streams, url } = await startStreams(['letter'])
    const first = await followEvents(url, undefined)
    await first.stop()
    await until('it to be gone', () => streams.count() === 0 || undefined)
    const texts: string[] = []
    const has = (text: string) => () => texts.join('').includes(text) || undefined
    const client = request(url).end()
    client.on('response', (response) => response.on('data', (data: Buffer) => texts.push(data.toString())))
    client.on('error', () => {})
    ends.push(() => void client.destroy())
    await until('the beginning', has('event: ready'))
    vi.advanceTimersByTime(15_000)
    await until('a heartbeat', has(': still here'))
    for (const index of [1, 2]) hub.publish('letter', letterEvent(index))
    await until('what came last', has('"messageId":"2"'))
    for (const once of [': still here', '"messageId":"1"']) expect(texts.join('').split(once)).toHaveLength(2)
  })
})

describe('the instances of a fleet', () => {
  it.each(['memory', 'NATS'] as const)(
    'are heard over %s while somebody watches, agree, and are not missed when they leave',
    async (over) => {
      const log = over === 'memory' ? memoryLog() : await logInNats()
      const [one, two] = ['one', 'two'].map((instance) => instanceOf(log, instance))
      if (one === undefined || two === undefined) throw new Error('no instance')
      const onlooking = { organization: undefined, seesBreaker: () => true }
      const standings = () => one.live.summary(onlooking).fleet
      await until('the other to be heard', () => (standings().total === 2 ? true : undefined))
      await until('them to agree', () => (standings().standings.agrees === 2 ? true : undefined))
      expect(standings().standings).toEqual({ agrees: 2, lags: 0, differs: 0, cutOff: 0, silent: 0 })
      const tripped = two.gear.breaker('smtp', { failureThreshold: 1, quorum: 2 })
      await tripped.run(() => Promise.reject(new Error('no'))).catch(() => {})
      const seen = () => one.live.view(onlooking).transitions.filter(({ instance }) => instance === 'two')
      await until('what it alone holds', () => (seen().length > 0 ? true : undefined))
      expect(seen()).toMatchObject([{ breaker: 'smtp', to: 'open', scope: 'local' }])
      two.live.stop()
      await until('it to leave', () => (standings().total === 1 ? true : undefined))
      expect(one.live.summary({ organization: 'acme', seesBreaker: () => false }).fleet.instances).toEqual([])
    },
  )

  it('stand as they say, and the worst are named first', () => {
    const heard = (instance: string, of: Partial<HeardInstance> = {}): HeardInstance => ({
      ...{ instance, startedAt: 0, isLinked: true, seq: 7, digest: 'a', own: [], heardAt: 1_000, isBehind: false },
      ...of,
    })
    const { standings, instances } = fleetView(
      [
        heard('self'),
        heard('agrees'),
        heard('lags', { seq: 5, isBehind: true }),
        heard('differs', { digest: 'b' }),
        heard('cut', { isLinked: false }),
        heard('gone', { heardAt: -9_000 }),
        heard('ahead', { seq: 9, digest: 'c' }),
      ],
      { own: 'self', now: 1_000, silentMs: 5_000 },
    )
    expect(standings).toEqual({ agrees: 3, lags: 1, differs: 1, cutOff: 1, silent: 1 })
    expect(instances.slice(0, 4).map(({ instance }) => instance)).toEqual(['differs', 'cut', 'gone', 'lags'])
  })
})

it('Who comes back for more than is kept is told so, and not what is left of it', () => {
  const hub = createEventHub()
  const [process] = hub.lastId.split('-')
  for (let index = 0; index < 4_000; index++) hub.publish('letter', letterEvent(index))
  // 2,000 are kept at least: the oldest of 4,000 have just been let go of.
  expect(hub.after(`${process}-1999`)).toBeUndefined()
  expect(
    hub
      .after(`${process}-2000`)
      ?.map(({ id }) => id)
      .slice(0, 1),
  ).toEqual([`${process}-2001`])
})

it('Of transitions the last 2,000 are kept for who comes later', () => {
  const gear = createSwitchgear()
  ends.push(() => gear.close())
  const sources = startEventSources({ gear, hub: createEventHub(), activity: createActivity(), onOwn() {} })
  ends.push(() => sources.stop())
  const counts = { calls: 1, failures: 1, slow: 0, consecutiveFailures: 1 }
  const opened = { from: 'closed', to: 'open', scope: 'local', reason: 'failureThreshold', by: 'two', counts } as const
  for (let at = 0; at < 2_500; at++) sources.heard({ ...opened, breaker: 'smtp', instance: 'two', term: 1, seq: 0, at })
  expect(sources.transitions.map(({ at }) => at)).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 500))
})

describe('what is counted', () => {
  it('is of each organization its own, by channel and state, for 15 minutes', () => {
    let now = 1_000_000
    const activity = createActivity(() => now)
    const outcome = { alertId: 'a', receiver: 'r', channel: 'email', state: 'delivered', at: 0, instance: 'one' }
    activity.outcome({ ...outcome, organization: 'acme' })
    activity.outcome({ ...outcome, organization: 'globex', state: 'failed' })
    now += 5_000
    activity.outcome({ ...outcome, organization: 'acme' })
    expect(activity.since(0, 'acme').map(({ outcomes }) => outcomes)).toEqual([
      { email: { delivered: 1 } },
      { email: { delivered: 1 } },
    ])
    expect(activity.since(now, undefined)).toHaveLength(1)
    now += 900_000
    activity.outcome({ ...outcome, organization: 'acme' })
    expect(activity.since(0, undefined)).toHaveLength(1)
  })

  it('tells 2,000 organizations apart, and counts all', () => {
    const activity = createActivity(() => 0)
    const decision = { allowed: false, degraded: false, retryAfterMs: 1, at: 0, instance: 'one' }
    const limits = [{ name: 'email', limit: 1, remaining: 0 }]
    for (let index = 0; index < 3_000; index++) activity.decision({ ...decision, organization: `o-${index}`, limits })
    const [bucket] = activity.since(0, undefined)
    expect(bucket?.decisions).toHaveLength(50)
    expect(bucket?.decisions[0]).toMatchObject({ organization: '', refused: 1_000 })
  })
})

async function logInNats(): Promise<EventLog> {
  const server = await startNats({ jetstream: true })
  ends.push(() => server.stop())
  return natsLog({ servers: server.url })
}

function instanceOf(log: EventLog, instance: string): { gear: Switchgear; live: ReturnType<typeof startLiveView> } {
  const gear = createSwitchgear({ log, instance })
  const logger = { info() {}, warn() {}, error() {} }
  const live = startLiveView({ gear, organizations: new Map(), logger })
  ends.push(() => gear.close())
  ends.push(() => live.stop())
  return { gear, live }
}

function letterEvent(index: number): LetterEventView {
  const id = 'x'.repeat(1_000)
  const facts = { organization: 'acme', channel: 'email', errorType: 'unknown', at: 0, instance: 'one' }
  return { id, messageId: String(index), ...facts }
}

/** Streams over a bare server, one for each request. */
async function startStreams(kinds: readonly StreamKind[]) {
  const hub = createEventHub()
  const all = createEventStreams({
    hub,
    summary: () => {
      throw new Error('nobody asked')
    },
  })
  const open = new Set<ServerResponse>()
  const server = createServer(({ headers }, response) => {
    const lastEventId = headers['last-event-id']
    open.add(response)
    response.once('close', () => open.delete(response))
    all.open(response, {
      organization: undefined,
      seesBreaker: () => true,
      kinds: new Set(kinds),
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { hub, streams: { count: () => open.size }, url: `http://127.0.0.1:${port}` }
}
