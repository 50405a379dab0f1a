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
  await database.query(
    `UPDATE receivers r SET destination = moved.now, due_at = least(r.due_at, ${nowMs})
     FROM jsonb_to_recordset($1::jsonb) AS moved(organization text, name text, old text, now text)
     WHERE r.state = 'pending' AND r.leader_id IS NULL AND r.claimed_by IS NULL
       AND r.destination = moved.old AND r.organization = moved.organization AND r.name = moved.name`,
    [JSON.stringify(moved)],
  )
}
