import { nowMs, type Queryable } from './database.ts'
import type { NewAlert } from './new-alert.ts'

/** By the ids of messages that another one speaks for, the id of that one. */
export type Leaders = ReadonlyMap<string, string>

interface Waiting {
  readonly organization: string
  readonly groupKey: string
  /** The message's. */
  readonly id: string
  readonly waitMs: number
}

/**
 * Lets messages join the groups that they wait with. The first message of a group speaks for all that join until its waiting
 * is over; who comes later begins another. Who joins holds the group until the end of the transaction, so that it is not
 * sent without them.
 */
export async function joinGroups(database: Queryable, alerts: readonly NewAlert[]): Promise<Leaders> {
  const waiting = alerts.flatMap(({ organization, receivers }) =>
    receivers.flatMap(({ id, group }): Waiting[] =>
      group === undefined ? [] : [{ organization, id, groupKey: group.key, waitMs: Math.ceil(group.waitMs) }],
    ),
  )
  if (waiting.length === 0) return new Map()
  const leaders = await upsertGroups(database, waiting)
  return new Map(
    waiting.flatMap((message): [string, string][] => {
      const leader = leaders.get(keyOf(message))
      return leader === undefined || leader === message.id ? [] : [[message.id, leader]]
    }),
  )
}

async function upsertGroups(database: Queryable, waiting: readonly Waiting[]): Promise<ReadonlyMap<string, string>> {
  const firsts = new Map<string, Waiting>()
  for (const message of waiting) if (!firsts.has(keyOf(message))) firsts.set(keyOf(message), message)
  // In the order of the keys, so that instances that insert at the same time cannot block each other in a circle.
  const ordered = [...firsts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, first]) => first)
  const rows = await database.query(
    `INSERT INTO groups AS held (organization, group_key, leader_id, until_at)
     SELECT organization, "groupKey", id, ${nowMs} + "waitMs"
     FROM jsonb_to_recordset($1::jsonb) AS n(organization text, "groupKey" text, id text, "waitMs" bigint)
     ON CONFLICT (organization, group_key) DO UPDATE SET
       leader_id = CASE WHEN held.until_at <= ${nowMs} THEN excluded.leader_id ELSE held.leader_id END,
       until_at = CASE WHEN held.until_at <= ${nowMs} THEN excluded.until_at ELSE held.until_at END
     RETURNING organization, group_key, leader_id`,
    [JSON.stringify(ordered)],
  )
  return new Map(
    rows.map((row) => [
      keyOf({ organization: row['organization'] as string, groupKey: row['group_key'] as string }),
      row['leader_id'] as string,
    ]),
  )
}

function keyOf({ organization, groupKey }: Pick<Waiting, 'organization' | 'groupKey'>): string {
  return `${organization}\0${groupKey}`
}
