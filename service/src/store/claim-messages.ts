import { alertColumns, alertOf } from './alert-row.ts'
import { nowMs, type Queryable, type Row } from './database.ts'
import { type AlertGroup, findGroups } from './find-groups.ts'
import { groupedAlert } from './grouped-alert.ts'
import type { AttemptRecord, ChannelName, Claimed } from './stored-alert.ts'

/** How many messages a worker wants for one destination. */
export interface Wanted {
  readonly destination: string
  readonly count: number
}

/**
 * Claims messages that are due, oldest first, for `leaseMs`. Destinations that are held back are passed over, and rows
 * that another worker is claiming at this moment. The cost grows with what is claimed, not with what waits.
 */
export async function claimMessages(
  database: Queryable,
  worker: string,
  leaseMs: number,
  wanted: readonly Wanted[],
): Promise<readonly Claimed[]> {
  if (wanted.length === 0) return []
  const rows = await database.query(claimStatement, [JSON.stringify(wanted), worker, leaseMs])
  return withGroups(database, rows)
}

/**
 * Claims the messages of `picked`, and ends the waiting of the groups that they speak for. One whose group an insert is just
 * joining is left for the next claim: by then that insert has committed, and is in the group.
 */
const claimPicked = `
  closing AS MATERIALIZED (
    SELECT g.leader_id FROM picked JOIN groups g ON g.leader_id = picked.id FOR UPDATE OF g SKIP LOCKED),
  closed AS (DELETE FROM groups g USING closing WHERE g.leader_id = closing.leader_id)
  UPDATE receivers r
  SET claimed_by = $2, due_at = ${nowMs} + $3::bigint
  FROM picked, alerts a
  WHERE r.id = picked.id AND a.organization = r.organization AND a.id = r.alert_id
    AND (picked.id IN (SELECT leader_id FROM closing)
      OR NOT EXISTS (SELECT FROM groups g WHERE g.leader_id = picked.id))
  RETURNING r.id, r.name, r.channel, r.destination, r.attempts, r.reached, r.refused, r.leads,
    r.expires_at - ${nowMs} AS left_ms, a.traceparent, ${alertColumns}`

const claimStatement = `
  WITH picked AS MATERIALIZED (
    SELECT due.id
    FROM jsonb_to_recordset($1::jsonb) AS w(destination text, count integer)
    CROSS JOIN LATERAL (
      SELECT r.id FROM receivers r
      WHERE r.state = 'pending' AND r.leader_id IS NULL AND r.destination = w.destination AND r.due_at <= ${nowMs}
        AND NOT EXISTS (SELECT FROM holds h WHERE h.destination = w.destination AND h.until_at > ${nowMs})
      ORDER BY r.due_at, r.id
      LIMIT w.count
      FOR UPDATE OF r SKIP LOCKED) due),
  ${claimPicked}`

/**
 * Claims messages that have waited longer than their organization lets them, at most `count`, those first that have
 * waited longest. One that a worker is sending at this moment is that worker's to judge.
 */
export async function claimExpired(
  database: Queryable,
  worker: string,
  leaseMs: number,
  count: number,
): Promise<readonly Claimed[]> {
  const rows = await database.query(claimExpiredStatement, [count, worker, leaseMs])
  return withGroups(database, rows)
}

const claimExpiredStatement = `
  WITH picked AS MATERIALIZED (
    SELECT id FROM receivers
    WHERE state = 'pending' AND leader_id IS NULL AND expires_at <= ${nowMs} AND (claimed_by IS NULL OR due_at <= ${nowMs})
    ORDER BY expires_at LIMIT $1::integer FOR UPDATE SKIP LOCKED),
  ${claimPicked}`

/** Claimed messages, with what they say of the groups that they speak for. */
async function withGroups(database: Queryable, rows: readonly Row[]): Promise<readonly Claimed[]> {
  const leaders = rows.filter((row) => row['leads'] === true).map((row) => row['id'] as string)
  const groups = await findGroups(database, leaders)
  return rows.map((row) => claimedOf(row, groups.get(row['id'] as string)))
}

function claimedOf(row: Row, group: AlertGroup | undefined): Claimed {
  const alert = alertOf(row)
  return {
    id: row['id'] as string,
    alert: group === undefined ? alert : groupedAlert(alert, group),
    receiver: row['name'] as string,
    channel: row['channel'] as ChannelName,
    destination: row['destination'] as string,
    attempts: row['attempts'] as AttemptRecord[],
    reached: row['reached'] as string[],
    refused: row['refused'] as Record<string, string>,
    leftMs: row['left_ms'] as number,
    ...(row['traceparent'] === null ? {} : { traceparent: row['traceparent'] as string }),
  }
}

/** Makes the leases of messages that are still being worked on last another `leaseMs`. */
export async function renewLeases(
  database: Queryable,
  worker: string,
  leaseMs: number,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return
  await database.query(
    `UPDATE receivers r SET due_at = ${nowMs} + $3::bigint
     FROM (SELECT id FROM jsonb_array_elements_text($1::jsonb) AS n(id) ORDER BY id COLLATE "C") held
     WHERE r.id = held.id AND r.state = 'pending' AND r.claimed_by = $2`,
    [JSON.stringify(ids), worker, leaseMs],
  )
}

/** Gives back everything that is claimed: whoever claimed it is dead. Only right where nobody else uses the store. */
export async function releaseClaims(database: Queryable): Promise<number> {
  const rows = await database.query(
    `UPDATE receivers SET claimed_by = NULL, due_at = ${nowMs}
     WHERE state = 'pending' AND leader_id IS NULL AND claimed_by IS NOT NULL RETURNING 1 AS released`,
  )
  return rows.length
}

/** A destination for which messages are pending. */
export interface Backlog {
  readonly destination: string
  /** When the first of them is due, in ms from now; 0 or less when it already is. */
  readonly dueInMs: number
}

/**
 * The destinations that have pending messages. Skips from one destination to the next in the index: the cost grows with
 * the destinations, not with the messages.
 */
export async function findBacklog(database: Queryable): Promise<readonly Backlog[]> {
  const rows = await database.query(`
    WITH RECURSIVE waiting AS (
      (SELECT destination FROM receivers WHERE state = 'pending' AND leader_id IS NULL ORDER BY destination LIMIT 1)
      UNION ALL
      SELECT (SELECT r.destination FROM receivers r
              WHERE r.state = 'pending' AND r.leader_id IS NULL AND r.destination > waiting.destination
              ORDER BY r.destination LIMIT 1)
      FROM waiting WHERE waiting.destination IS NOT NULL)
    SELECT waiting.destination, (SELECT r.due_at FROM receivers r
      WHERE r.state = 'pending' AND r.leader_id IS NULL AND r.destination = waiting.destination ORDER BY r.due_at LIMIT 1) - ${nowMs} AS due_in_ms
    FROM waiting WHERE waiting.destination IS NOT NULL`)
  return rows.map((row) => ({
    destination: row['destination'] as string,
    dueInMs: Number(row['due_in_ms'] ?? 0),
  }))
}
