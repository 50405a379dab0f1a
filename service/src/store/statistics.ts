import type { Status } from '../intake/alert-schema.ts'
import type { Queryable, Row } from './database.ts'

/** How many alerts there are of each value. */
export type Counts = Readonly<Record<string, number>>

/** The alerts of an organization that are kept, duplicates too. */
export interface AlertCounts {
  readonly total: number
  readonly firing: number
  readonly resolved: number
}

export interface Overview extends AlertCounts {
  readonly bySeverity: Counts
  /** The `typesMax` types that most alerts have. */
  readonly byType: Counts
}

export const distributionKeys = ['severity', 'status', 'type'] as const
export type DistributionKey = (typeof distributionKeys)[number]

/** Alerts that were accepted on one day of UTC, `YYYY-MM-DD`. */
export interface DayCount {
  readonly date: string
  readonly count: number
}

/** Types that are told apart, those of most alerts first: callers make them up. */
const typesMax = 1_000
export const dayMs = 86_400_000
/** A trend reaches back so many days, today included. */
export const trendDaysMax = 90

export async function countAlerts(database: Queryable, organization: string): Promise<AlertCounts> {
  return countsOf(await countBy(database, organization, 'status'))
}

export async function findOverview(database: Queryable, organization: string): Promise<Overview> {
  const rows = await database.query(
    `WITH each AS MATERIALIZED (
       SELECT severity, status, type, count(*) AS n FROM alerts WHERE organization = $1 GROUP BY severity, status, type)
     (SELECT 'severity' AS by, severity AS value, sum(n)::bigint AS n FROM each GROUP BY severity)
     UNION ALL (SELECT 'status', status, sum(n)::bigint FROM each GROUP BY status)
     UNION ALL (SELECT 'type', type, sum(n)::bigint FROM each GROUP BY type ORDER BY 3 DESC, 2 LIMIT ${typesMax})`,
    [organization],
  )
  const of = (by: DistributionKey): Counts => recordOf(rows.filter((row) => row['by'] === by))
  return { ...countsOf(of('status')), bySeverity: of('severity'), byType: of('type') }
}

/** Those with most alerts first; of types at most `typesMax`. */
export async function countBy(database: Queryable, organization: string, by: DistributionKey): Promise<Counts> {
  const rows = await database.query(
    `SELECT ${by} AS value, count(*) AS n FROM alerts WHERE organization = $1
     GROUP BY ${by} ORDER BY n DESC, value LIMIT ${typesMax}`,
    [organization],
  )
  return recordOf(rows)
}

/** How many were accepted on each of the `days` days up to `lastDay`, oldest first; a day is counted since the epoch. */
export async function countByDay(
  database: Queryable,
  organization: string,
  { days, lastDay }: { readonly days: number; readonly lastDay: number },
): Promise<readonly DayCount[]> {
  const firstDay = lastDay - days + 1
  const rows = await database.query(
    `SELECT value, sum(n)::bigint AS n FROM (
       SELECT accepted_at / ${dayMs} AS value, count(*) AS n FROM alerts
       WHERE organization = $1 AND accepted_at >= $2::bigint * ${dayMs} AND accepted_at < ($3::bigint + 1) * ${dayMs}
       GROUP BY 1
       UNION ALL SELECT day, count FROM forgotten WHERE organization = $1 AND day BETWEEN $2::bigint AND $3::bigint) each
     GROUP BY value`,
    [organization, firstDay, lastDay],
  )
  const counts = recordOf(rows)
  return Array.from({ length: days }, (_, index) => ({
    date: new Date((firstDay + index) * dayMs).toISOString().slice(0, 10),
    count: counts[firstDay + index] ?? 0,
  }))
}

/** The day of an instant, counted since the epoch, in UTC. */
export function dayOf(at: number): number {
  return Math.floor(at / dayMs)
}

/** A value may be called as something that every object has. */
function recordOf(rows: readonly Row[]): Counts {
  return Object.fromEntries(rows.map((row) => [String(row['value']), row['n'] as number]))
}

function countsOf(byStatus: Counts): AlertCounts {
  const of = (status: Status): number => byStatus[status] ?? 0
  return { total: of('firing') + of('resolved'), firing: of('firing'), resolved: of('resolved') }
}
