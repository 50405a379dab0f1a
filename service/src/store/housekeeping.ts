import { nowMs, type Queryable } from './database.ts'
import { dayMs, trendDaysMax } from './statistics.ts'

/** Messages in the outbox; the oldest make room. */
const outboxMax = 10_000

/** How long an alert is kept after the last that became of it, in ms: 30 days. */
const keptMs = 30 * dayMs
/** Alerts that are forgotten in one statement, and statements in one round. */
const forgottenMax = 1_000
const statementsMax = 50

/**
 * Forgets what has no use any more: holds, deduplication keys and groups whose time is over, the outbox's oldest,
 * alerts that ended long ago, and how many those were when no trend asks for it.
 */
export async function forgetTheOld(database: Queryable): Promise<void> {
  await database.query(`DELETE FROM holds WHERE until_at <= ${nowMs}`)
  await database.query(`DELETE FROM dedups WHERE until_at <= ${nowMs}`)
  await database.query(`DELETE FROM groups WHERE until_at <= ${nowMs}`)
  await database.query(`DELETE FROM forgotten WHERE day <= ${nowMs} / ${dayMs} - ${trendDaysMax}`)
  await database.query(
    `DELETE FROM outbox WHERE id <= (SELECT id FROM outbox ORDER BY id DESC OFFSET ${outboxMax} LIMIT 1)`,
  )
  for (let statement = 0; statement < statementsMax; statement += 1)
    if ((await forgetAlerts(database)) < forgottenMax) break
}

/**
 * Forgets alerts with their receivers, but for how many they were: the oldest first, none of which waits or has ended
 * of late.
 */
async function forgetAlerts(database: Queryable): Promise<number> {
  const rows = await database.query(
    `WITH old AS MATERIALIZED (
       SELECT a.organization, a.id FROM alerts a
       WHERE a.accepted_at <= ${nowMs} - $1::bigint AND NOT EXISTS (
         SELECT FROM receivers r WHERE r.organization = a.organization AND r.alert_id = a.id
           AND (r.state = 'pending' OR r.settled_at > ${nowMs} - $1::bigint))
       ORDER BY a.accepted_at LIMIT ${forgottenMax} FOR UPDATE SKIP LOCKED),
     gone AS (
       DELETE FROM receivers r USING old WHERE r.organization = old.organization AND r.alert_id = old.id),
     deleted AS (
       DELETE FROM alerts a USING old WHERE a.organization = old.organization AND a.id = old.id
       RETURNING a.organization, a.accepted_at / ${dayMs} AS day),
     counted AS (
       INSERT INTO forgotten AS f (organization, day, count)
       SELECT organization, day, count(*) FROM deleted GROUP BY organization, day ORDER BY organization, day
       ON CONFLICT (organization, day) DO UPDATE SET count = f.count + excluded.count)
     SELECT count(*) AS n FROM deleted`,
    [keptMs],
  )
  return Number(rows[0]?.['n'])
}
