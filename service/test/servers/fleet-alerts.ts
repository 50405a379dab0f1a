import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../../test/servers/until.ts'
import type { Database } from '../../src/store/database.ts'
import type { PostedAlert } from './client.ts'
import type { OutsideWorld, Receipt } from './outside-world.ts'

export interface Outcome {
  readonly message: string
  /** `<organization>/<alert>/<receiver>` */
  readonly of: string
  readonly state: string
}

/** Alerts of three organizations, each with a webhook and a room in Slack; named so that fleets may share their servers. */
export function fleetAlerts() {
  const run = `${process.pid}-${Date.now()}`
  const organizations = ['acme', 'globex', 'initech'].map((name) => `${name}-${run}`)
  return {
    fleetName: `fleet-${run}`,
    alertsNamed: (prefix: string, count: number): readonly PostedAlert[] =>
      Array.from({ length: count }, (_, index) => ({
        organization: organizations[index % organizations.length] ?? '',
        id: `${prefix}-${index}`,
      })),
    messagesOf: (alerts: readonly PostedAlert[]): readonly string[] =>
      alerts
        .flatMap(({ organization, id }) => ['hook', 'room'].map((name) => `${organization}/${id}/${name}`))
        .toSorted(),
    configFor: (world: OutsideWorld, timeoutMs: number): object => configOf(organizations, world, timeoutMs),
    settledOutcomes,
  }

  /** What the store says of the alerts' receivers, once none is pending. */
  async function settledOutcomes(
    database: Database,
    alerts: readonly PostedAlert[],
    withinMs: number,
  ): Promise<readonly Outcome[]> {
    const [first = { id: '' }] = alerts
    const prefix = `${first.id.split('-')[0]}-%`
    const scope = [JSON.stringify(organizations), prefix]
    const ofRun = `organization IN (SELECT jsonb_array_elements_text($1::jsonb)) AND alert_id LIKE $2`
    const settled = async (): Promise<true | undefined> => {
      const [row] = await database.query(
        `SELECT count(*)::integer AS count FROM receivers WHERE ${ofRun} AND state <> 'pending'`,
        scope,
      )
      await sleep(200)
      return Number(row?.['count']) >= 2 * alerts.length || undefined
    }
    await until('every message to have an outcome', settled, withinMs)
    const rows = await database.query(
      `SELECT id, organization, alert_id, name, state FROM receivers WHERE ${ofRun}`,
      scope,
    )
    return rows.map((row) => ({
      message: String(row['id']),
      of: `${String(row['organization'])}/${String(row['alert_id'])}/${String(row['name'])}`,
      state: String(row['state']),
    }))
  }
}

function configOf(organizations: readonly string[], { hook, slack }: OutsideWorld, timeoutMs: number): object {
  const plenty = { limit: 1_000_000, windowMs: 60_000 }
  const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
  const of = (name: string): object => ({
    receivers: [
      { name: 'hook', channel: 'webhook', url: `${hook.url}/${name}`, secret },
      { name: 'room', channel: 'slack', url: `${slack.url}/services/${name}` },
    ],
    limits: { alerts: plenty, slack: plenty, webhook: plenty },
  })
  return {
    organizations: Object.fromEntries(organizations.map((name) => [name, of(name)])),
    engine: {
      breakers: { default: { recoveryTimeoutMs: 500, recoveryBackoff: { maxMs: 2_000 }, timeoutMs } },
      retry: { maxAttempts: 3, baseDelayMs: 50, maxDelayMs: 500 },
    },
  }
}

export function receiptsById(receipts: readonly Receipt[]): ReadonlyMap<string, readonly Receipt[]> {
  const byId = new Map<string, Receipt[]>()
  for (const receipt of receipts) byId.set(receipt.messageId, [...(byId.get(receipt.messageId) ?? []), receipt])
  return byId
}

/** Outcomes that are not what has happened: what is delivered has arrived, under its id, and what is not has not. */
export function wronglyArrived(outcomes: readonly Outcome[], receipts: readonly Receipt[]): readonly Outcome[] {
  // Slack has it as `switchgear:<id>`.
  const arrived = new Set(receipts.map(({ messageId, for: of }) => `${messageId.split(':').at(-1)} ${of}`))
  return outcomes.filter(({ message, of, state }) => arrived.has(`${message} ${of}`) !== (state === 'delivered'))
}

export function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

export function figures(values: readonly number[]): Record<string, number> {
  const sorted = values.toSorted((a, b) => a - b)
  const share = (part: number): number => Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN)
  return { count: sorted.length, median: share(0.5), p99: share(0.99), max: share(1) }
}

export function print(facts: Readonly<Record<string, unknown>>): void {
  const lines = Object.entries(facts).map(([what, value]) => `  ${what}: ${JSON.stringify(value)}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}
