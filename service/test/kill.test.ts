import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sized } from '../../test/sized.ts'
import { until } from '../../test/servers/until.ts'
import { messagesAtOnce } from '../src/delivery/deliver-messages.ts'
import { type PostedAlert, postAlerts, type SeenAlert, settledAlerts } from './servers/client.ts'
import { lettersClient, type SeenLetter } from './servers/letters-client.ts'
import { configFor, type OutsideWorld, type Receipt, startOutsideWorld } from './servers/outside-world.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'

const organizations = ['acme', 'globex', 'initech']
const alertsCount = sized(300, 1_000)
const alerts: readonly PostedAlert[] = Array.from({ length: alertsCount }, (_, index) => ({
  organization: organizations[index % 3] ?? '',
  id: `alert-${index}`,
}))
const alertsInPost = 10
/** The alerts are posted over this time. */
const stormMs = sized(4_000, 6_000)
const mailOutageMs = sized(2_000, 3_000)

/** The storm, with `kill -9` in the middle of it and a restart on the same folder. */
describe('a kill', () => {
  let folder: string
  let world: OutsideWorld
  let before: ServiceProcess
  let after: ServiceProcess
  let seen: readonly SeenAlert[]
  let killedAt = 0
  let restartedAt = 0
  /** What a start takes, in ms: the measure of how busy the machine is, and of all that is waited for here. */
  let startMs = 0

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-kill-'))
    world = await startOutsideWorld()
    const file = join(folder, 'switchgear.config.json')
    const settings = {
      SWITCHGEAR_CONFIG: file,
      SMTP_URL: world.mail.url,
      MAIL_FROM: 'alerts@switchgear.example',
      WEBHOOK_ALLOW_PRIVATE: '1',
    }
    const configure = (maxAgeMs: number): void => writeFileSync(file, JSON.stringify(configFor(world, maxAgeMs)))
    configure(60_000)
    const startedAt = Date.now()
    before = await startService(folder, settings)
    startMs = Date.now() - startedAt
    await before.terminate()
    // Longer than a restart takes.
    const slackWaitSeconds = Math.max(sized(6, 20), Math.ceil((5 * startMs) / 1_000))
    // Messages to dead hosts are worth sending for longer than Slack makes its messages wait.
    configure(slackWaitSeconds * 1_000 + 4 * startMs + 6_000)
    before = await startService(folder, settings)
    after = before
    const mailWorksAgainAt = Date.now() + mailOutageMs
    world.mail.rules.recipient = (address) => {
      if (address.startsWith('gone@')) return { code: 550, text: 'no such user' }
      return Date.now() < mailWorksAgainAt ? { code: 451, text: 'try again later' } : undefined
    }
    const posting = storm()
    await until('half of the alerts to be posted', () => (posted >= alerts.length / 2 ? true : undefined), 30_000)
    world.slackSays429(slackWaitSeconds)
    await until('the service to keep the hold', () =>
      before.logs.find(({ msg }) => msg.startsWith('the destination asked')),
    )
    await until('more deliveries', () => (world.receipts.at(-1)?.for.endsWith('/hook') ? true : undefined))
    await before.kill()
    killedAt = Date.now()
    after = await startService(folder, settings)
    restartedAt = Date.now()
    await posting
    seen = await settledAlerts(after.url, alerts, 300_000)
  }, 480_000)
  afterAll(async () => {
    await after.terminate()
    await world.close()
    rmSync(folder, { recursive: true, force: true })
  })

  let posted = 0

  /** Posts all alerts; what was not answered 202 is posted again, under the same ids, until it is. */
  async function storm(): Promise<void> {
    const count = alerts.length / alertsInPost
    const posts: Promise<void>[] = []
    for (let post = 0; post < count; post += 1) {
      posts.push(postUntilTaken(alerts.slice(post * alertsInPost, (post + 1) * alertsInPost)))
      await sleep(stormMs / count)
    }
    await Promise.all(posts)
  }

  async function postUntilTaken(some: readonly PostedAlert[]): Promise<void> {
    await until(
      'the alerts to be taken in',
      async () => ((await postAlerts(after.url, some)) === 202 ? true : undefined),
      60_000,
    )
    posted += some.length
  }

  const receiptsById = (): ReadonlyMap<string, readonly Receipt[]> => {
    const byId = new Map<string, Receipt[]>()
    for (const receipt of world.receipts) byId.set(receipt.messageId, [...(byId.get(receipt.messageId) ?? []), receipt])
    return byId
  }
  /** How late a request that came before the kill may be noticed here, in ms: before anybody is there again. */
  const noticedMs = (): number => startMs / 2
  /** Sent so short before the kill that the outcome may not have been written. */
  const inFlightAtTheKill = ({ at }: Receipt): boolean => at > killedAt - startMs && at <= killedAt + noticedMs()

  it('loses nothing: every receiver of every alert has exactly one outcome', () => {
    expect(seen).toHaveLength(alertsCount)
    const receivers = seen.flatMap((alert) => alert.receivers)
    expect(receivers.filter(({ state }) => state === 'failed').map(({ lastError }) => lastError)).toEqual([])
    const states = receivers.map(({ state }) => state)
    expect(states).toHaveLength(4 * alertsCount)
    expect(new Set(states)).toEqual(new Set(['delivered', 'deadLettered']))
  })

  it('has sent everything that it says is delivered', () => {
    const received = new Set(world.receipts.map((receipt) => receipt.for))
    const delivered = seen.flatMap(({ organization, id, receivers }) =>
      receivers.filter(({ state }) => state === 'delivered').map(({ name }) => `${organization}/${id}/${name}`),
    )
    expect(delivered.filter((name) => !received.has(name))).toEqual([])
    expect(delivered.length).toBeGreaterThan(1.5 * alertsCount)
  })

  it('sends twice only what was between its send and its record when the process died, under the same id', () => {
    const twice = [...receiptsById().values()].filter(({ length }) => length > 1)
    process.stdout.write(
      `killed after ${world.receipts.filter(({ at }) => at <= killedAt).length} sends; back after ` +
        `${restartedAt - killedAt} ms; ${twice.length} sent twice: ` +
        `${twice.map(([first]) => `${killedAt - (first?.at ?? 0)} ms`).join(', ')} before the kill\n`,
    )
    expect(twice.length).toBeLessThan(messagesAtOnce)
    for (const receipts of twice) {
      const [first, second, ...more] = receipts.toSorted((a, b) => a.at - b.at)
      expect(more).toEqual([])
      expect(first !== undefined && inFlightAtTheKill(first)).toBe(true)
      expect(second?.at).toBeGreaterThan(killedAt)
      expect(second?.for).toBe(first?.for)
    }
    const names = new Set(world.receipts.map((receipt) => receipt.for))
    expect(names.size).toBe(receiptsById().size)
  })

  it('has no message that arrived and is dead-lettered, but for what the kill explains', () => {
    const letters = new Set(
      seen.flatMap(({ organization, id, receivers }) =>
        receivers.filter(({ state }) => state === 'deadLettered').map(({ name }) => `${organization}/${id}/${name}`),
      ),
    )
    const arrived = world.receipts.filter((receipt) => letters.has(receipt.for))
    expect(arrived.filter((receipt) => !inFlightAtTheKill(receipt))).toEqual([])
  })

  it('has a letter of everything that it says is dead-lettered, and of nothing else but what the kill explains', async () => {
    const client = lettersClient(after.url)
    const letters = new Map<string, SeenLetter>()
    for (const organization of organizations)
      for (const letter of await client.letters(`?organization=${organization}&limit=1000`))
        letters.set(letter.id, letter)
    const named = seen.flatMap(({ receivers }) =>
      receivers.filter(({ state }) => state === 'deadLettered').map(({ letterId = 'none' }) => letterId),
    )
    expect(named.length).toBeGreaterThan(alertsCount / 10)
    expect(named.filter((id) => !letters.has(id))).toEqual([])
    const left = [...letters.keys()].filter((id) => !named.includes(id))
    process.stdout.write(
      `${letters.size} letters, ${left.length} of them of messages that were delivered after the kill\n`,
    )
    expect(left.length).toBeLessThan(messagesAtOnce)
  })

  it('keeps over the restart the waiting that Retry-After asked for', () => {
    const [wait] = world.waits
    expect(wait?.untilAt).toBeGreaterThan(restartedAt)
    const tooEarly = world.slack.requests.filter(({ at }) => at > killedAt + noticedMs() && at < (wait?.untilAt ?? 0))
    expect(tooEarly).toEqual([])
    const room = seen.flatMap(({ receivers }) => receivers.filter(({ name }) => name === 'room'))
    expect(room.every(({ state }) => state === 'delivered')).toBe(true)
  })
})
