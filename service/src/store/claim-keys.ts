import { nowMs, type Queryable } from './database.ts'
import type { NewAlert } from './new-alert.ts'

/**
 * Who holds each deduplication key: of alerts with the same key and status within the window, the first. A key whose
 * window is over goes to the newcomer. Gives, for every alert that is a duplicate, the id of its original.
 */
export async function claimKeys(
  database: Queryable,
  fresh: readonly NewAlert[],
): Promise<ReadonlyMap<NewAlert, string>> {
  const firsts = new Map<string, NewAlert>()
  for (const alert of fresh) {
    const key = dedupOf(alert)
    if (key !== undefined && !firsts.has(key)) firsts.set(key, alert)
  }
  if (firsts.size === 0) return new Map()
  const holders = await upsertKeys(database, firsts)
  const duplicates = fresh.flatMap((alert): [NewAlert, string][] => {
    const holder = holders.get(dedupOf(alert) ?? '')
    return holder === undefined || holder === alert.id ? [] : [[alert, holder]]
  })
  return new Map(duplicates)
}

async function upsertKeys(
  database: Queryable,
  firsts: ReadonlyMap<string, NewAlert>,
): Promise<ReadonlyMap<string, string>> {
  // In the order of the keys, so that instances that insert at the same time cannot block each other in a circle.
  const ordered = [...firsts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const rows = await database.query(
    `INSERT INTO dedups AS held (organization, dedup_key, status, alert_id, until_at)
     SELECT organization, dedup_key, status, id, ${nowMs} + window_ms
     FROM jsonb_to_recordset($1::jsonb) AS n(organization text, dedup_key text, status text, id text, window_ms bigint)
     ON CONFLICT (organization, dedup_key, status) DO UPDATE SET
       alert_id = CASE WHEN held.until_at <= ${nowMs} THEN excluded.alert_id ELSE held.alert_id END,
       until_at = CASE WHEN held.until_at <= ${nowMs} THEN excluded.until_at ELSE held.until_at END
     RETURNING organization, dedup_key, status, alert_id`,
    [
      JSON.stringify(
        ordered.map(([, { organization, dedupKey, status, id, dedupWindowMs }]) => ({
          organization,
          dedup_key: dedupKey,
          status,
          id,
          window_ms: Math.ceil(dedupWindowMs),
        })),
      ),
    ],
  )
  return new Map(
    rows.map((row) => [[row['organization'], row['dedup_key'], row['status']].join('\0'), row['alert_id'] as string]),
  )
}

function dedupOf({ organization, dedupKey, status }: NewAlert): string | undefined {
  return dedupKey === undefined ? undefined : [organization, dedupKey, status].join('\0')
}
