import { nowMs, type Queryable } from './database.ts'
import { storable } from './record-outcomes.ts'
import type { AttemptRecord, ChannelName } from './stored-alert.ts'

/** A message whose dead letter was sent again, and arrived. */
export interface Redriven {
  /** The message's id. */
  readonly id: string
  readonly organization: string
  readonly alertId: string
  readonly receiver: string
  readonly channel: ChannelName
  readonly attempt: AttemptRecord
  /** What goes to the outbox, where the channel has no settings. */
  readonly outbox?: unknown
}

/** Attempts that are kept of a message. */
const attemptsMax = 50

/**
 * Makes messages delivered whose letters were, with the groups that they speak for, and gives when that was, by the
 * database's clock. Of one that nobody here knows any more, or that is another instance's, nothing is written but what
 * goes to the outbox.
 */
export async function recordRedriven(database: Queryable, redriven: readonly Redriven[]): Promise<number> {
  const [row] = await database.query(redrivenStatement, [JSON.stringify(redriven.map(rowOf), storable)])
  return Number(row?.['settled_at'])
}

const redrivenStatement = `
  WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(id text COLLATE "C", organization text, alert_id text, receiver text,
      channel text, attempt jsonb, outbox jsonb)),
  kept AS (
    INSERT INTO outbox (id, organization, alert_id, receiver, channel, message, at)
    SELECT id, organization, alert_id, receiver, channel, outbox, ${nowMs} FROM given WHERE outbox IS NOT NULL
    ON CONFLICT (id) DO NOTHING),
  arrived AS MATERIALIZED (
    SELECT id, organization, attempt, outbox FROM given
    UNION ALL
    SELECT m.id, given.organization, given.attempt, given.outbox FROM given JOIN receivers m ON m.leader_id = given.id
    ORDER BY id),
  written AS (UPDATE receivers r SET
    state = 'delivered',
    reason = CASE WHEN arrived.outbox IS NULL THEN NULL ELSE 'outbox' END,
    attempts = CASE WHEN jsonb_array_length(r.attempts) < ${attemptsMax}
      THEN r.attempts || arrived.attempt ELSE (r.attempts - 0) || arrived.attempt END,
    claimed_by = NULL,
    settled_at = ${nowMs}
  FROM arrived
  WHERE r.id = arrived.id AND r.organization = arrived.organization AND r.state IN ('deadLettered', 'failed', 'pending'))
  SELECT ${nowMs} AS settled_at`

function rowOf({ alertId, attempt, ...rest }: Redriven): object {
  return { ...rest, alert_id: alertId, attempt: [attempt] }
}

/** Whether a message has arrived, as far as is known here. */
export async function isDelivered(database: Queryable, organization: string, messageId: string): Promise<boolean> {
  const [row] = await database.query(`SELECT state FROM receivers WHERE id = $1 AND organization = $2`, [
    messageId,
    organization,
  ])
  return row?.['state'] === 'delivered'
}
