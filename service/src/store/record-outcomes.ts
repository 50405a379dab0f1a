import { nowMs, type Queryable, type Row } from './database.ts'
import type { AttemptRecord, ChannelName, ReceiverState } from './stored-alert.ts'

/** What a worker has to say of a message that it claimed. */
export interface OutcomeRecord {
  readonly id: string
  /** `pending` hands the message back. */
  readonly state: ReceiverState
  readonly reason?: string
  readonly lastError?: string
  /** All attempts so far, with those of earlier claims. */
  readonly attempts: readonly AttemptRecord[]
  readonly reached: readonly string[]
  /** Recipients that were refused for good, with the reply; absent: as before. */
  readonly refused?: Readonly<Record<string, string>>
  /** When a message that is handed back is due again, in ms from now. */
  readonly dueInMs?: number
  /** Where a message that is handed back goes now, after its receiver was reconfigured. */
  readonly destination?: string
  /** What goes to the outbox. */
  readonly outbox?: unknown
  /** The dead letter of a message that has failed for good. */
  readonly letterId?: string
}

/** A message that has an outcome now. */
export interface Settled {
  readonly organization: string
  readonly alertId: string
  readonly receiver: string
  readonly channel: ChannelName
  readonly state: ReceiverState
  readonly reason?: string
  /** By the database's clock, in ms since the epoch. */
  readonly settledAt: number
}

export interface Recorded {
  /** Whose messages have an outcome now, or had one before. */
  readonly organizations: readonly string[]
  /** Those that this very statement has settled. */
  readonly settled: readonly Settled[]
}

/**
 * Writes what became of claimed messages, all in one statement. A message has one outcome: where there is one already
 * it stays. It is that of the whole group that a message speaks for. Where the claim was lost to another worker, only a
 * delivery is written, since that is a fact.
 */
export async function recordOutcomes(
  database: Queryable,
  worker: string,
  records: readonly OutcomeRecord[],
): Promise<Recorded> {
  if (records.length === 0) return { organizations: [], settled: [] }
  const rows = await database.query(recordStatement, [JSON.stringify(records.map(rowOf), storable), worker])
  return {
    organizations: rows.map((row) => row['organization'] as string),
    settled: rows.filter((row) => row['is_new'] === true).map(settledOf),
  }
}

function settledOf(row: Row): Settled {
  const reason = row['reason'] as string | null
  return {
    organization: row['organization'] as string,
    alertId: row['alert_id'] as string,
    receiver: row['name'] as string,
    channel: row['channel'] as ChannelName,
    state: row['state'] as ReceiverState,
    ...(reason === null ? {} : { reason }),
    settledAt: Number(row['settled_at']),
  }
}

// In the order of the ids, so that two batches do not block each other in a circle. Where the planner takes another
// order all the same, PostgreSQL ends one of them, which is tried again.
const recordStatement = `
  WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(id text COLLATE "C", state text, reason text, last_error text, attempts jsonb,
      reached jsonb, refused jsonb, due_in_ms bigint, destination text, outbox jsonb, letter_id text)
    ORDER BY id),
  kept AS (
    INSERT INTO outbox (id, organization, alert_id, receiver, channel, message, at)
    SELECT r.id, r.organization, r.alert_id, r.name, r.channel, given.outbox, ${nowMs}
    FROM given JOIN receivers r ON r.id = given.id WHERE given.outbox IS NOT NULL
    ON CONFLICT (id) DO NOTHING),
  written AS (UPDATE receivers r SET
    state = given.state,
    reason = given.reason,
    last_error = coalesce(given.last_error, r.last_error),
    attempts = given.attempts,
    reached = given.reached,
    refused = coalesce(given.refused, r.refused),
    destination = coalesce(given.destination, r.destination),
    letter_id = coalesce(given.letter_id, r.letter_id),
    claimed_by = NULL,
    due_at = CASE WHEN given.state = 'pending' THEN ${nowMs} + coalesce(given.due_in_ms, 0) ELSE r.due_at END,
    settled_at = CASE WHEN given.state = 'pending' THEN NULL ELSE ${nowMs} END
  FROM given
  WHERE r.id = given.id AND r.state = 'pending' AND (r.claimed_by = $2 OR given.state = 'delivered')
  RETURNING r.id, r.state, r.reason, r.last_error, r.attempts, r.letter_id, r.settled_at),
  of_group AS (UPDATE receivers m SET
    state = written.state,
    reason = written.reason,
    last_error = written.last_error,
    attempts = written.attempts,
    letter_id = written.letter_id,
    settled_at = written.settled_at
  FROM written WHERE m.leader_id = written.id AND m.state = 'pending'
  RETURNING m.organization, m.alert_id, m.name, m.channel, m.state, m.reason)
  SELECT r.organization, r.alert_id, r.name, r.channel, given.state, given.reason, ${nowMs} AS settled_at,
    given.id IN (SELECT id FROM written) AS is_new
  FROM given JOIN receivers r ON r.id = given.id
  WHERE given.state <> 'pending'
  UNION ALL
  SELECT organization, alert_id, name, channel, state, reason, ${nowMs}, true FROM of_group WHERE state <> 'pending'`

function rowOf(record: OutcomeRecord): object {
  return {
    id: record.id,
    state: record.state,
    reason: record.reason,
    last_error: record.lastError,
    attempts: record.attempts,
    reached: record.reached,
    refused: record.refused,
    due_in_ms: record.dueInMs === undefined ? undefined : Math.ceil(record.dueInMs),
    destination: record.destination,
    outbox: record.outbox,
    letter_id: record.letterId,
  }
}

/** Errors quote what other servers say, and that may hold what PostgreSQL cannot: it must not hold up the outcome. */
export function storable(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('\0', '\uFFFD').toWellFormed() : value
}
