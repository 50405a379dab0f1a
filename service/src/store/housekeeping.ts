import { nowMs, type Queryable } from './database.ts'

/** Messages in the outbox; the oldest make room. */
const outboxMax = 10_000

/** How long an alert is kept after the last that became of it, in ms: 30 days. */
const keptMs = 30 * 86_400_000
/** Alerts that are forgotten in one statement, and statements in one round. */
const forgottenMax = 1_000
const statementsMax = 50

/** Messages that one round dead-letters as expired. */
const expiredMax = 1_000

/**
 * Dead-letters what has waited longer than its organization lets it. A message that a worker is sending at this moment is
 * that worker's to judge. Gives how many there were, at most 1,000.
 */
export async function expireMessages(database: Queryable): Promise<number> {
  const rows = await database.query(
    `UPDATE receivers r
     SET state = 'deadLettered', reason = 'expired', claimed_by = NULL, settled_at = ${nowMs},
       last_error = coalesce(r.last_error, 'it waited longer than maxAgeMs')
     WHERE r.id IN (
       SELECT id FROM receivers
       WHERE state = 'pending' AND expires_at <= ${nowMs} AND (claimed_by IS NULL OR due_at <= ${nowMs})
       ORDER BY expires_at LIMIT ${expiredMax} FOR UPDATE SKIP LOCKED)
     RETURNING 1 AS expired`,
  )
  return rows.length
}

/**
 * Forgets what has no use any more: holds and deduplication keys whose time is over, the outbox's oldest, alerts that ended
 * long ago.
 */
export async function forgetTheOld(database: Queryable): Promise<void> {
  await database.query(`DELETE FROM holds WHERE until_at <= ${nowMs}`)
  await database.query(`DELETE FROM dedups WHERE until_at <= ${nowMs}`)
  await database.query(
    `DELETE FROM outbox WHERE id <= (SELECT id FROM outbox ORDER BY id DESC OFFSET ${outboxMax} LIMIT 1)`,
  )
  for (let statement = 0; statement < statementsMax; statement += 1)
    if ((await forgetAlerts(database)) < forgottenMax) break
}

/** Forgets alerts with their receivers, the oldest first, none of which waits or has ended of late. Gives how many. */
async function forgetAlerts(database: Queryable): Promise<number> {
  const rows = await database.query(
    `WITH old AS MATERIALIZED (
       SELECT a.organization, a.id FROM alerts a
       WHERE a.accepted_at <= ${nowMs} - $1::bigint AND NOT EXISTS (
         SELECT FROM receivers r WHERE r.organization = a.organization AND r.alert_id = a.id
           AND (r.state = 'pending' OR r.settled_at > ${nowMs} - $1::bigint))
       ORDER BY a.accepted_at LIMIT ${forgottenMax} FOR UPDATE SKIP LOCKED),
     gone AS (
       DELETE FROM receivers r USING old WHERE r.organization = old.organization AND r.alert_id = old.id)
     DELETE FROM alerts a USING old WHERE a.organization = old.organization AND a.id = old.id
     RETURNING 1 AS forgotten`,
    [keptMs],
  )
  return rows.length
}
