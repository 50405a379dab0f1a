import type { Queryable } from '../../src/store/database.ts'

/** What PostgreSQL says of a part of a plan that was carried out. */
interface Plan {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Plan[]
}

/** Carries a statement out, and gives how many rows of a table it has read. */
export async function rowsRead(
  { query }: Queryable,
  table: string,
  ...[sql, parameters]: Parameters<Queryable['query']>
): Promise<number> {
  const [row] = await query(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters)
  const plans = (row?.['QUERY PLAN'] ?? []) as readonly { readonly Plan: Plan }[]
  return plans.reduce((sum, { Plan: plan }) => sum + readBy(plan), 0)

  function readBy(part: Plan): number {
    const each =
      part['Actual Rows'] + (part['Rows Removed by Filter'] ?? 0) + (part['Rows Removed by Index Recheck'] ?? 0)
    const below = (part.Plans ?? []).map(readBy)
    const own = part['Relation Name'] === table ? each * part['Actual Loops'] : 0
    return below.reduce((sum, rows) => sum + rows, own)
  }
}
