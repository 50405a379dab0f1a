import { alertColumns, alertOf } from './alert-row.ts'
import type { Queryable } from './database.ts'
import type { AttemptRecord, ChannelName, ReceiverState, ReceiverView, StoredAlert } from './stored-alert.ts'

export interface AlertView extends StoredAlert {
  readonly receivers: readonly ReceiverView[]
}

/** The alerts that have an id: at most one in each organization. Without `organization` in all of them, at most two. */
export async function findAlerts(
  database: Queryable,
  id: string,
  organization: string | undefined,
): Promise<readonly AlertView[]> {
  const rows =
    organization === undefined
      ? await database.query(`${findStatement} WHERE a.id = $1 LIMIT 2`, [id])
      : await database.query(`${findStatement} WHERE a.id = $1 AND a.organization = $2`, [id, organization])
  return rows.map((row) => ({ ...alertOf(row), receivers: (row['receivers'] as ReceiverRow[]).map(receiverOf) }))
}

const findStatement = `
  SELECT ${alertColumns}, coalesce((
    SELECT jsonb_agg(jsonb_build_object('name', r.name, 'channel', r.channel, 'state', r.state, 'reason', r.reason,
      'attempts', r.attempts, 'lastError', r.last_error, 'letterId', r.letter_id) ORDER BY r.position)
    FROM receivers r WHERE r.organization = a.organization AND r.alert_id = a.id), '[]') AS receivers
  FROM alerts a`

interface ReceiverRow {
  readonly name: string
  readonly channel: ChannelName
  readonly state: ReceiverState
  readonly reason: string | null
  readonly attempts: AttemptRecord[]
  readonly lastError: string | null
  readonly letterId: string | null
}

function receiverOf({ name, channel, state, reason, attempts, lastError, letterId }: ReceiverRow): ReceiverView {
  return {
    name,
    channel,
    state,
    attempts,
    ...(reason === null ? {} : { reason }),
    ...(lastError === null ? {} : { lastError }),
    ...(letterId === null ? {} : { letterId }),
  }
}
