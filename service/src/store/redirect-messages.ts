import { nowMs, type Queryable } from './database.ts'

/** Where the messages to a receiver go, by the configuration of now; `undefined` when it is not configured any more. */
export type DestinationOf = (organization: string, receiver: string) => string | undefined

/**
 * Sends pending messages along where their receivers are now: what waited for a destination that is held back does not
 * wait for it any longer. Messages of receivers that are gone stay, and get their outcome when they are due.
 */
export async function redirectMessages(database: Queryable, destinationOf: DestinationOf): Promise<void> {
  const rows = await database.query(
    `SELECT DISTINCT organization, name, destination FROM receivers WHERE state = 'pending' AND leader_id IS NULL`,
  )
  const moved = rows.flatMap((row) => {
    const [organization, name] = [row['organization'] as string, row['name'] as string]
    const now = destinationOf(organization, name)
    return now === undefined || now === row['destination'] ? [] : [{ organization, name, old: row['destination'], now }]
  })
  if (moved.length === 0) return
  // Some at a time: all in one statement take longer than one may, where hundreds of thousands wait.
  while ((await database.query(moveStatement, [JSON.stringify(moved)])).length === movedMax);
}

/** Messages that one statement moves. */
const movedMax = 5_000

const moveStatement = `
  UPDATE receivers r SET destination = due.now, due_at = least(r.due_at, ${nowMs})
  FROM (
    SELECT waiting.id, moved.now
    FROM jsonb_to_recordset($1::jsonb) AS moved(organization text, name text, old text, now text)
    CROSS JOIN LATERAL (
      SELECT w.id FROM receivers w
      WHERE w.state = 'pending' AND w.leader_id IS NULL AND w.claimed_by IS NULL
        AND w.destination = moved.old AND w.organization = moved.organization AND w.name = moved.name
      LIMIT ${movedMax} FOR UPDATE SKIP LOCKED) waiting
    LIMIT ${movedMax}) due
  WHERE r.id = due.id
  RETURNING 1 AS moved`
