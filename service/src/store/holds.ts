import { nowMs, type Queryable } from './database.ts'

/** A destination that asked to be left alone for a while. */
export interface Hold {
  readonly destination: string
  /** From now, in ms. */
  readonly leftMs: number
}

/** Holds a destination back, for all instances and over restarts. A longer hold that is there stays. */
export async function keepHold(database: Queryable, { destination, leftMs }: Hold, reason: string): Promise<void> {
  await database.query(
    `INSERT INTO holds AS h (destination, until_at, reason) VALUES ($1, ${nowMs} + $2::bigint, $3)
     ON CONFLICT (destination) DO UPDATE SET until_at = greatest(h.until_at, excluded.until_at), reason = excluded.reason`,
    [destination, Math.ceil(leftMs), reason],
  )
}

/** The destinations that are held back now. */
export async function findHolds(database: Queryable): Promise<readonly Hold[]> {
  const rows = await database.query(
    `SELECT destination, until_at - ${nowMs} AS left_ms FROM holds WHERE until_at > ${nowMs}`,
  )
  return rows.map((row) => ({ destination: row['destination'] as string, leftMs: Number(row['left_ms']) }))
}
