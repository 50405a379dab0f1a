import type { Queryable } from './database.ts'
import type { ChannelName } from './stored-alert.ts'

/** A message that was kept instead of sent. */
export interface OutboxMessage {
  readonly id: string
  readonly organization: string
  readonly alertId: string
  readonly receiver: string
  readonly channel: ChannelName
  /** What would have been sent. */
  readonly message: unknown
  readonly at: number
}

export interface OutboxPage {
  readonly items: readonly OutboxMessage[]
  readonly next?: string
}

export interface OutboxQuery {
  /** Absent: of all organizations. */
  readonly organization?: string
  readonly limit: number
  /** The `next` of the page before. */
  readonly cursor?: string
}

/** The outbox, newest first. */
export async function listOutbox(database: Queryable, options: OutboxQuery): Promise<OutboxPage> {
  const rows = await database.query(
    `SELECT id, organization, alert_id, receiver, channel, message, at FROM outbox
     WHERE ($1::text IS NULL OR organization = $1::text) AND ($2::text IS NULL OR id < $2::text)
     ORDER BY id DESC LIMIT $3::integer`,
    [options.organization ?? null, options.cursor ?? null, options.limit + 1],
  )
  const items = rows.slice(0, options.limit).map((row): OutboxMessage => ({
    id: row['id'] as string,
    organization: row['organization'] as string,
    alertId: row['alert_id'] as string,
    receiver: row['receiver'] as string,
    channel: row['channel'] as ChannelName,
    message: row['message'],
    at: row['at'] as number,
  }))
  const last = items.at(-1)
  return rows.length > options.limit && last !== undefined ? { items, next: last.id } : { items }
}
