import type { Database, Queryable } from './database.ts'

/**
 * The tables, step by step. A step that was released is never changed: what comes later is a new step.
 *
 * `receivers` is queue and history in one: a row is one message to one receiver. `due_at` says when a worker may take it;
 * taking it moves `due_at` to the end of the lease, so that a row whose worker died comes back by itself.
 */
const steps: readonly (readonly string[])[] = [
  [
    `CREATE TABLE alerts (
      organization text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL,
      fingerprint text,
      dedup_key text,
      duplicate_of text,
      severity text NOT NULL,
      status text NOT NULL,
      type text NOT NULL,
      title text NOT NULL,
      message text NOT NULL,
      labels jsonb NOT NULL,
      occurred_at bigint,
      accepted_at bigint NOT NULL,
      PRIMARY KEY (organization, id))`,
    `CREATE INDEX alerts_by_id ON alerts (id)`,
    `CREATE TABLE receivers (
      id text COLLATE "C" PRIMARY KEY,
      organization text COLLATE "C" NOT NULL,
      alert_id text COLLATE "C" NOT NULL,
      position integer NOT NULL,
      name text NOT NULL,
      channel text NOT NULL,
      destination text COLLATE "C" NOT NULL,
      state text NOT NULL,
      reason text,
      attempts jsonb NOT NULL DEFAULT '[]',
      reached jsonb NOT NULL DEFAULT '[]',
      last_error text,
      letter_id text,
      claimed_by text,
      due_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      settled_at bigint)`,
    `CREATE INDEX receivers_by_alert ON receivers (organization, alert_id)`,
    `CREATE INDEX receivers_due ON receivers (destination, due_at, id) WHERE state = 'pending'`,
    `CREATE INDEX receivers_expiring ON receivers (expires_at) WHERE state = 'pending'`,
    `CREATE TABLE dedups (
      organization text COLLATE "C" NOT NULL,
      dedup_key text COLLATE "C" NOT NULL,
      status text NOT NULL,
      alert_id text NOT NULL,
      until_at bigint NOT NULL,
      PRIMARY KEY (organization, dedup_key, status))`,
    `CREATE INDEX dedups_over ON dedups (until_at)`,
    `CREATE TABLE holds (destination text COLLATE "C" PRIMARY KEY, until_at bigint NOT NULL, reason text NOT NULL)`,
    `CREATE TABLE outbox (
      id text COLLATE "C" PRIMARY KEY,
      organization text COLLATE "C" NOT NULL,
      alert_id text NOT NULL,
      receiver text NOT NULL,
      channel text NOT NULL,
      message jsonb NOT NULL,
      at bigint NOT NULL)`,
    `CREATE INDEX outbox_by_organization ON outbox (organization, id)`,
  ],
  [`ALTER TABLE receivers ADD COLUMN refused jsonb NOT NULL DEFAULT '{}'`],
  [`CREATE INDEX alerts_by_age ON alerts (accepted_at)`],
  // What is counted stands in the index: an organization's messages are not read to count them.
  [`CREATE INDEX alerts_by_time ON alerts (organization, accepted_at, id) INCLUDE (severity, status, type)`],
  // A group is one message: that of its first alert. Those of the others name it, and nobody claims them.
  [
    `ALTER TABLE receivers ADD COLUMN leader_id text COLLATE "C"`,
    `ALTER TABLE receivers ADD COLUMN leads boolean NOT NULL DEFAULT false`,
    `CREATE INDEX receivers_by_leader ON receivers (leader_id, id) WHERE leader_id IS NOT NULL`,
    `DROP INDEX receivers_due`,
    `CREATE INDEX receivers_due ON receivers (destination, due_at, id) WHERE state = 'pending' AND leader_id IS NULL`,
    `DROP INDEX receivers_expiring`,
    `CREATE INDEX receivers_expiring ON receivers (expires_at) WHERE state = 'pending' AND leader_id IS NULL`,
    `CREATE TABLE groups (
      organization text COLLATE "C" NOT NULL,
      group_key text COLLATE "C" NOT NULL,
      leader_id text COLLATE "C" NOT NULL,
      until_at bigint NOT NULL,
      PRIMARY KEY (organization, group_key))`,
    `CREATE INDEX groups_by_leader ON groups (leader_id)`,
    `CREATE INDEX groups_over ON groups (until_at)`,
  ],
  // Whose receiver is still to be told that it was missed while the destination was out. What is there already is no news.
  [
    `ALTER TABLE receivers ADD COLUMN told boolean NOT NULL DEFAULT true`,
    `CREATE INDEX receivers_missed ON receivers (organization, name, settled_at)
      WHERE state IN ('deadLettered', 'failed') AND reason IN ('circuit_open', 'expired') AND NOT told`,
  ],
  [`ALTER TABLE alerts ADD COLUMN traceparent text`],
  // Trends reach further back than alerts are kept.
  [
    `CREATE TABLE forgotten (
      organization text COLLATE "C" NOT NULL,
      day bigint NOT NULL,
      count bigint NOT NULL,
      PRIMARY KEY (organization, day))`,
    `CREATE INDEX forgotten_by_day ON forgotten (day)`,
  ],
]

/** Any number that no other program on the same server is likely to lock. */
const migrationLock = 7_245_011_003

/** Brings the tables up to date, however long that takes with many rows; instances that start together wait for each other. */
export async function migrate(database: Database): Promise<void> {
  await database.transaction(stepUp, { takesLong: true })
}

async function stepUp(transaction: Queryable): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock($1::bigint)', [migrationLock])
  await transaction.query(
    'CREATE TABLE IF NOT EXISTS switchgear_migrations (step integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())',
  )
  const [row] = await transaction.query('SELECT coalesce(max(step), 0) AS done FROM switchgear_migrations')
  const done = Number(row?.['done'] ?? 0)
  for (const [index, statements] of steps.entries()) {
    if (index < done) continue
    for (const statement of statements) await transaction.query(statement)
    await transaction.query('INSERT INTO switchgear_migrations (step) VALUES ($1)', [index + 1])
  }
}
