import { alertColumns, alertOf } from './alert-row.ts'
import type { Queryable, Row } from './database.ts'
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
  const alerts = await database.query(
    `SELECT ${alertColumns} FROM alerts a
     WHERE a.id = $1 AND ($2::text IS NULL OR a.organization = $2::text) LIMIT 2`,
    [id, organization ?? null],
  )
  return Promise.all(
    alerts.map(async (row) => ({ ...alertOf(row), receivers: await receiversOf(database, alertOf(row)) })),
  )
}

async function receiversOf(database: Queryable, alert: StoredAlert): Promise<readonly ReceiverView[]> {
  const rows = await database.query(
    `SELECT name, channel, state, reason, attempts, last_error, letter_id FROM receivers
     WHERE organization = $1 AND alert_id = $2 ORDER BY position`,
    [alert.organization, alert.id],
  )
  return rows.map(receiverOf)
}

function receiverOf(row: Row): ReceiverView {
  return {
    name: row['name'] as string,
    channel: row['channel'] as ChannelName,
    state: row['state'] as ReceiverState,
    attempts: row['attempts'] as AttemptRecord[],
    ...(row['reason'] === null ? {} : { reason: row['reason'] as string }),
    ...(row['last_error'] === null ? {} : { lastError: row['last_error'] as string }),
    ...(row['letter_id'] === null ? {} : { letterId: row['letter_id'] as string }),
  }
}
