import type { Severity } from '../intake/alert-schema.ts'
import type { Queryable } from './database.ts'

/** The alerts that a message speaks for beside its own. */
export interface AlertGroup {
  readonly count: number
  /** Of the first of them, in the order in which they came. */
  readonly titles: readonly string[]
  readonly severities: readonly Severity[]
  /** The labels of the message's own alert that all the others have, too. */
  readonly labels: Readonly<Record<string, string>>
}

/** Titles that are shown of a group. */
const titlesMax = 100

/** The groups that messages speak for, by the ids of those. Only right once they are claimed: until then others may join. */
export async function findGroups(
  database: Queryable,
  leaders: readonly string[],
): Promise<ReadonlyMap<string, AlertGroup>> {
  if (leaders.length === 0) return new Map()
  const rows = await database.query(findStatement, [JSON.stringify(leaders)])
  return new Map(
    rows
      .filter((row) => Number(row['count']) > 0)
      .map((row) => [
        row['id'] as string,
        {
          count: Number(row['count']),
          titles: row['titles'] as string[],
          severities: row['severities'] as Severity[],
          labels: row['labels'] as Record<string, string>,
        },
      ]),
  )
}

const others = `FROM receivers m JOIN alerts a ON a.organization = m.organization AND a.id = m.alert_id
  WHERE m.leader_id = r.id`

const findStatement = `
  SELECT r.id,
    (SELECT count(*) FROM receivers m WHERE m.leader_id = r.id) AS count,
    (SELECT coalesce(jsonb_agg(shown.title ORDER BY shown.id), '[]')
      FROM (SELECT m.id, a.title ${others} ORDER BY m.id LIMIT ${titlesMax}) shown) AS titles,
    (SELECT coalesce(jsonb_agg(DISTINCT a.severity), '[]') ${others}) AS severities,
    (SELECT coalesce(jsonb_object_agg(label.key, label.value), '{}') FROM jsonb_each(own.labels) label
      WHERE NOT EXISTS (SELECT ${others} AND a.labels -> label.key IS DISTINCT FROM label.value)) AS labels
  FROM jsonb_array_elements_text($1::jsonb) AS wanted(id)
  JOIN receivers r ON r.id = wanted.id
  JOIN alerts own ON own.organization = r.organization AND own.id = r.alert_id`
