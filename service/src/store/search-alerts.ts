import { alertColumns, alertOf } from './alert-row.ts'
import type { Queryable, Row } from './database.ts'
import type { StoredAlert } from './stored-alert.ts'

export interface Search {
  readonly organization: string
  /** What stands in the title, the message, the type, or a label's name or value; letters large or small. */
  readonly text: string
  /** At least 1. */
  readonly limit: number
  /** Where the page before ended. */
  readonly after?: SearchPlace | undefined
}

/** An alert's place among those of its organization, the newest first. */
export interface SearchPlace {
  readonly acceptedAt: number
  readonly id: string
}

export interface SearchPage {
  readonly items: readonly StoredAlert[]
  /** Absent at the end. A page may be short, or empty, and not be the last: one looks through `scannedMax` alerts. */
  readonly next?: SearchPlace
}

/** Alerts that are looked through for one page: a text that stands nowhere does not read the whole store. */
const scannedMax = 10_000

/** Later than any alert. */
const end: SearchPlace = { acceptedAt: Number.MAX_SAFE_INTEGER, id: '' }

/** Alerts that hold a text, the newest first. */
export async function searchAlerts(
  database: Queryable,
  { organization, text, limit, after = end }: Search,
): Promise<SearchPage> {
  const from = [organization, after.acceptedAt, after.id]
  const rows = await database.query(searchStatement, [...from, `%${escaped(text)}%`, limit + 1])
  const found = rows.slice(0, limit)
  const last = rows.length > limit ? found.at(-1) : await lastScanned(database, from)
  const page = { items: found.map(alertOf) }
  return last === undefined ? page : { ...page, next: placeOf(last) }
}

const older = `SELECT * FROM alerts WHERE organization = $1 AND (accepted_at, id) < ($2::bigint, $3::text)
  ORDER BY accepted_at DESC, id DESC`

const searchStatement = `
  SELECT ${alertColumns} FROM (${older} LIMIT ${scannedMax}) a
  WHERE a.title ILIKE $4 OR a.type ILIKE $4 OR a.message ILIKE $4
    OR EXISTS (SELECT FROM jsonb_each_text(a.labels) l WHERE l.key ILIKE $4 OR l.value ILIKE $4)
  ORDER BY a.accepted_at DESC, a.id DESC LIMIT $5::integer`

const edgeStatement = `
  SELECT a.accepted_at, a.id AS alert_id FROM (${older} OFFSET ${scannedMax - 1} LIMIT 2) a
  ORDER BY a.accepted_at DESC, a.id DESC`

/** The last alert that was looked through, if there are more. */
async function lastScanned(database: Queryable, from: readonly unknown[]): Promise<Row | undefined> {
  const [last, another] = await database.query(edgeStatement, from)
  return another === undefined ? undefined : last
}

/** What a pattern would take for more than itself. */
function escaped(text: string): string {
  return text.replaceAll(/[\\%_]/g, String.raw`\$&`)
}

function placeOf(row: Row): SearchPlace {
  return { acceptedAt: row['accepted_at'] as number, id: row['alert_id'] as string }
}
