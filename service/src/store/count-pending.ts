import type { Queryable } from './database.ts'

/** More are not counted, since counting takes as long as there are many. */
export const pendingCountedMax = 100_000

/** How many messages have no outcome yet; `pendingCountedMax` when there are so many or more. A group counts as one. */
export async function countPending(database: Queryable): Promise<number> {
  const [row] = await database.query(
    `SELECT count(*) AS pending FROM (
      SELECT FROM receivers WHERE state = 'pending' AND leader_id IS NULL LIMIT $1::integer) AS waiting`,
    [pendingCountedMax],
  )
  return Number(row?.['pending'] ?? 0)
}
