import { type Database, nowMs, type Queryable } from './database.ts'
import { insertRows } from './insert-alerts.ts'
import type { NewAlert } from './new-alert.ts'

/** A receiver that missed messages while its destination was out, and was not told yet. */
export interface Missing {
  readonly organization: string
  readonly receiver: string
  /** When the last of them was given up, in ms since the epoch. */
  readonly lastAt: number
}

/** What a receiver missed. Instants are ms since the epoch. */
export interface Missed {
  /** Messages: one that speaks for a group of alerts is one, as its dead letter is. */
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

/** As the index has it: what met an open breaker, or waited until it was too old. */
const missed = `state IN ('deadLettered', 'failed') AND reason IN ('circuit_open', 'expired') AND NOT told`

/** Skips from one receiver to the next in the index: the cost grows with the receivers, not with what they missed. */
export async function findMissing(database: Queryable): Promise<readonly Missing[]> {
  const next = (from: string): string =>
    `SELECT organization, name FROM receivers WHERE ${missed} ${from} ORDER BY organization, name LIMIT 1`
  const rows = await database.query(`
    WITH RECURSIVE missing AS (
      (${next('')})
      UNION ALL
      SELECT r.organization, r.name FROM missing m
      CROSS JOIN LATERAL (${next('AND (organization, name) > (m.organization, m.name)')}) r)
    SELECT organization, name, (SELECT r.settled_at FROM receivers r
      WHERE r.organization = m.organization AND r.name = m.name AND ${missed}
      ORDER BY r.settled_at DESC LIMIT 1) AS last
    FROM missing m`)
  return rows.map((row) => ({
    organization: row['organization'] as string,
    receiver: row['name'] as string,
    lastAt: Number(row['last']),
  }))
}

/** Messages that one notice tells of at most, so that no statement takes long however many were missed. */
const toldAtOnce = 10_000

/**
 * Tells of those until `lastAt`, the oldest first, `most` at most; the others are found again. Whoever of several
 * instances is first stores the notice; the others find nothing of that which was not told.
 */
export async function tellMissed(
  database: Database,
  { organization, receiver, lastAt }: Missing,
  notice: (missed: Missed) => NewAlert,
  most: number = toldAtOnce,
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const [row] = await transaction.query(
      `WITH oldest AS (
         SELECT id FROM receivers WHERE organization = $1 AND name = $2 AND settled_at <= $4::bigint AND ${missed}
         ORDER BY settled_at LIMIT $3::integer FOR UPDATE),
       told AS (UPDATE receivers SET told = true WHERE id IN (SELECT id FROM oldest)
         RETURNING settled_at, coalesce(leader_id, id) AS message)
       SELECT count(DISTINCT message) AS count,
         coalesce(min(settled_at), ${nowMs}) AS first, coalesce(max(settled_at), ${nowMs}) AS last
       FROM told`,
      [organization, receiver, most, lastAt],
    )
    const count = Number(row?.['count'] ?? 0)
    if (count === 0) return false
    await insertRows(transaction, [notice({ count, firstAt: Number(row?.['first']), lastAt: Number(row?.['last']) })])
    return true
  })
}
