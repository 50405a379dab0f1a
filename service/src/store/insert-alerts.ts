import { claimKeys } from './claim-keys.ts'
import { type Database, nowMs, type Queryable } from './database.ts'
import { joinGroups, type Leaders } from './join-groups.ts'
import type { NewAlert } from './new-alert.ts'
import { RacedError } from './store-error.ts'

/** What became of the alerts of one request: all are in the store, or none. */
export type Intake =
  | {
      readonly status: 'accepted'
      readonly alerts: readonly AcceptedAlert[]
      /** All were there before. */
      readonly isKnown?: true
    }
  | { readonly status: 'conflict'; readonly index: number; readonly id: string }

export interface AcceptedAlert {
  readonly id: string
  readonly duplicateOf?: string
}

/** How often an insert is tried that another instance's insert came before. */
const triesMax = 5

/**
 * Stores the alerts of several requests at once: one statement, or one transaction of a few where callers named ids or
 * deduplication keys, or where messages wait in groups. Each request is accepted whole or refused whole. No two requests given together may use the same
 * id of the same organization.
 */
export async function insertAlerts(
  database: Database,
  requests: readonly (readonly NewAlert[])[],
): Promise<readonly Intake[]> {
  const alerts = requests.flat()
  if (alerts.some(needsLooks)) return insertWithLooks(database, requests, triesMax)
  await insertRows(database, alerts)
  return requests.map((request) => ({ status: 'accepted', alerts: request.map(({ id }) => ({ id })) }))
}

function needsLooks({ fingerprint, dedupKey, receivers }: NewAlert): boolean {
  return fingerprint !== undefined || dedupKey !== undefined || receivers.some(({ group }) => group !== undefined)
}

async function insertWithLooks(
  database: Database,
  requests: readonly (readonly NewAlert[])[],
  triesLeft: number,
): Promise<readonly Intake[]> {
  try {
    return await database.transaction(async (transaction) => {
      const known = await findKnown(transaction, requests.flat())
      const decided = requests.map((request) => decide(request, known))
      const fresh = decided.flatMap((decision) => (decision.status === 'go' ? decision.fresh : []))
      const originals = await claimKeys(transaction, fresh)
      const sent = fresh.filter((alert) => !originals.has(alert))
      // In the order of their keys, so that instances that insert at the same time cannot block each other in a circle.
      const ordered = fresh.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
      await insertRows(transaction, ordered, { originals, leaders: await joinGroups(transaction, sent) })
      return decided.map((decision, index) => answer(decision, requests[index] ?? [], known, originals))
    })
  } catch (error) {
    if (!(error instanceof RacedError) || triesLeft <= 1) throw error
  }
  return insertWithLooks(database, requests, triesLeft - 1)
}

interface Known {
  readonly fingerprint: string | null
  readonly duplicateOf: string | null
}

function keyOf({ organization, id }: NewAlert): string {
  return alertKey(organization, id)
}

/** The same for no two alerts. */
export function alertKey(organization: string, id: string): string {
  return `${organization}\0${id}`
}

/** Which of these alerts stand in the store already, under the ids that callers gave, by `alertKey`. */
export async function findKnownAlerts(database: Queryable, alerts: readonly NewAlert[]): Promise<ReadonlySet<string>> {
  return new Set((await findKnown(database, alerts)).keys())
}

/** The alerts that already stand under the ids that callers gave. */
async function findKnown(database: Queryable, alerts: readonly NewAlert[]): Promise<ReadonlyMap<string, Known>> {
  const named = alerts.filter(({ fingerprint }) => fingerprint !== undefined)
  if (named.length === 0) return new Map()
  const rows = await database.query(
    `SELECT a.organization, a.id, a.fingerprint, a.duplicate_of
     FROM jsonb_to_recordset($1::jsonb) AS wanted(organization text, id text)
     JOIN alerts a ON a.organization = wanted.organization AND a.id = wanted.id`,
    [JSON.stringify(named.map(({ organization, id }) => ({ organization, id })))],
  )
  return new Map(
    rows.map((row) => [
      alertKey(row['organization'] as string, row['id'] as string),
      { fingerprint: row['fingerprint'] as string | null, duplicateOf: row['duplicate_of'] as string | null },
    ]),
  )
}

type Decision =
  | { readonly status: 'go'; readonly fresh: readonly NewAlert[] }
  | { readonly status: 'conflict'; readonly index: number; readonly id: string }

function decide(request: readonly NewAlert[], known: ReadonlyMap<string, Known>): Decision {
  const seen = new Map<string, string | undefined>()
  const fresh: NewAlert[] = []
  for (const [index, alert] of request.entries()) {
    const key = alertKey(alert.organization, alert.id)
    const there = known.get(key)
    const fingerprint = there === undefined ? seen.get(key) : there.fingerprint
    if (there === undefined && !seen.has(key)) fresh.push(alert)
    else if (fingerprint !== alert.fingerprint) return { status: 'conflict', index, id: alert.id }
    seen.set(key, alert.fingerprint)
  }
  return { status: 'go', fresh }
}

/** How alerts and messages stand to others. */
interface Relations {
  /** By alerts that are duplicates, the ids of their originals. */
  readonly originals: ReadonlyMap<NewAlert, string>
  readonly leaders: Leaders
}

const noRelations: Relations = Object.freeze({ originals: new Map(), leaders: new Map() })

/** @throws RacedError when one of the alerts is there already. */
export async function insertRows(
  database: Queryable,
  alerts: readonly NewAlert[],
  { originals, leaders }: Relations = noRelations,
): Promise<void> {
  if (alerts.length === 0) return
  const [row] = await database.query(insertStatement, [
    JSON.stringify(alerts.map((alert) => alertRow(alert, originals.get(alert)))),
    JSON.stringify(alerts.flatMap((alert) => (originals.has(alert) ? [] : receiverRows(alert, leaders)))),
  ])
  if (row?.['inserted'] !== alerts.length) throw new RacedError('an id was stored meanwhile')
}

const insertStatement = `
  WITH inserted AS (
    INSERT INTO alerts (organization, id, fingerprint, dedup_key, duplicate_of, severity, status, type, title, message,
      labels, occurred_at, traceparent, accepted_at)
    SELECT organization, id, fingerprint, dedup_key, duplicate_of, severity, status, type, title, message,
      labels, occurred_at, traceparent, ${nowMs}
    FROM jsonb_to_recordset($1::jsonb) AS n(organization text, id text, fingerprint text, dedup_key text,
      duplicate_of text, severity text, status text, type text, title text, message text, labels jsonb,
      occurred_at bigint, traceparent text)
    ON CONFLICT (organization, id) DO NOTHING
    RETURNING 1),
  queued AS (
    INSERT INTO receivers (id, organization, alert_id, position, name, channel, destination, state, reason, leader_id,
      leads, told, due_at, expires_at, settled_at)
    SELECT id, organization, alert_id, position, name, channel, destination, state, reason, leader_id,
      leads, told, ${nowMs} + wait_ms, ${nowMs} + max_age_ms, CASE WHEN state = 'pending' THEN NULL ELSE ${nowMs} END
    FROM jsonb_to_recordset($2::jsonb) AS n(id text, organization text, alert_id text, position integer, name text,
      channel text, destination text, state text, reason text, leader_id text, leads boolean, told boolean, wait_ms bigint,
      max_age_ms bigint))
  SELECT count(*)::integer AS inserted FROM inserted`

function alertRow(alert: NewAlert, original: string | undefined): object {
  return {
    organization: alert.organization,
    id: alert.id,
    fingerprint: alert.fingerprint,
    dedup_key: alert.dedupKey,
    duplicate_of: original,
    severity: alert.severity,
    status: alert.status,
    type: alert.type,
    title: alert.title,
    message: alert.message,
    labels: alert.labels,
    occurred_at: alert.occurredAt,
    traceparent: alert.traceparent,
  }
}

function receiverRows(
  { organization, id: alertId, maxAgeMs, isToldIfMissed = false, receivers }: NewAlert,
  leaders: Leaders,
): object[] {
  return receivers.map(({ id, name, channel, destination, group, silenced }, position) => ({
    id,
    organization,
    alert_id: alertId,
    position,
    name,
    channel,
    destination,
    state: silenced === undefined ? 'pending' : 'silenced',
    reason: silenced,
    leader_id: leaders.get(id),
    leads: group !== undefined && !leaders.has(id),
    told: !isToldIfMissed,
    wait_ms: group === undefined || leaders.has(id) ? 0 : Math.ceil(group.waitMs),
    max_age_ms: Math.ceil(maxAgeMs),
  }))
}

function answer(
  decision: Decision,
  request: readonly NewAlert[],
  known: ReadonlyMap<string, Known>,
  originals: ReadonlyMap<NewAlert, string>,
): Intake {
  if (decision.status === 'conflict') return decision
  const firstOf = new Map(decision.fresh.map((alert) => [alertKey(alert.organization, alert.id), alert]))
  const alerts = request.map((alert): AcceptedAlert => {
    const key = alertKey(alert.organization, alert.id)
    const there = known.get(key)
    const duplicateOf =
      there === undefined ? originals.get(firstOf.get(key) ?? alert) : (there.duplicateOf ?? undefined)
    return duplicateOf === undefined ? { id: alert.id } : { id: alert.id, duplicateOf }
  })
  return { status: 'accepted', alerts, ...(decision.fresh.length === 0 ? { isKnown: true } : {}) }
}
