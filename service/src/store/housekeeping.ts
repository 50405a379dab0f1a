import { nowMs, type Queryable } from './database.ts'

/** Messages in the outbox; the oldest make room. */
const outboxMax = 10_000

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

/** Forgets what has no use any more: holds and deduplication keys whose time is over, the outbox's oldest. */
export async function forgetTheOld(database: Queryable): Promise<void> {
  await database.query(`DELETE FROM holds WHERE until_at <= ${nowMs}`)
  await database.query(`DELETE FROM dedups WHERE until_at <= ${nowMs}`)
  await database.query(
    `DELETE FROM outbox WHERE id <= (SELECT id FROM outbox ORDER BY id DESC OFFSET ${outboxMax} LIMIT 1)`,
  )
}
