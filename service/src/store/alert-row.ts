import type { Severity, Status } from '../intake/alert-schema.ts'
import type { Row } from './database.ts'
import type { StoredAlert } from './stored-alert.ts'

/** The columns of an alert, with the alias `a`; `alertOf` reads them. */
export const alertColumns = `a.organization, a.id AS alert_id, a.dedup_key, a.duplicate_of, a.severity, a.status, a.type,
  a.title, a.message, a.labels, a.occurred_at, a.accepted_at`

/** What was checked on its way in is not checked again on its way out. */
export function alertOf(row: Row): StoredAlert {
  return {
    organization: row['organization'] as string,
    id: row['alert_id'] as string,
    severity: row['severity'] as Severity,
    status: row['status'] as Status,
    type: row['type'] as string,
    title: row['title'] as string,
    message: row['message'] as string,
    labels: row['labels'] as Record<string, string>,
    acceptedAt: row['accepted_at'] as number,
    ...(row['dedup_key'] === null ? {} : { dedupKey: row['dedup_key'] as string }),
    ...(row['duplicate_of'] === null ? {} : { duplicateOf: row['duplicate_of'] as string }),
    ...(row['occurred_at'] === null ? {} : { occurredAt: row['occurred_at'] as number }),
  }
}
