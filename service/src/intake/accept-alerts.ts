import { monotonicFactory } from 'ulid'
import type { Organization, Organizations } from '../config/organizations.ts'
import { route } from '../routing/route.ts'
import type { AcceptedAlert, Intake, NewAlert } from '../store/insert-alerts.ts'
import type { AlertDraft } from './alert-schema.ts'
import { fingerprint } from './fingerprint.ts'
import { type GroupCommit, groupCommit } from './group-commit.ts'

/** The door that every way in leads to: what it resolved for is stored. */
export interface AlertIntake {
  /**
   * Stores the alerts of one request, all or none.
   * @throws UnavailableError, OverCapacityError: nothing is stored, or it cannot be known; the same again is safe with ids.
   */
  accept(drafts: readonly AlertDraft[]): Promise<Acceptance>
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
}

export type Acceptance =
  | { readonly status: 'accepted'; readonly alerts: readonly AcceptedAlert[] }
  | { readonly status: 'conflict'; readonly index: number; readonly id: string }
  | { readonly status: 'unknownOrganization'; readonly index: number; readonly organization: string }

export interface AlertIntakeOptions {
  readonly organizations: Organizations
  readonly insert: (requests: readonly (readonly NewAlert[])[]) => Promise<readonly Intake[]>
  /** Hears of the destinations for which something was stored. */
  readonly onStored: (destinations: ReadonlySet<string>) => void
}

/** Turns drafts into rows, and shares one insert between the requests that come at the same time. */
export function alertIntake({ organizations, insert, onStored }: AlertIntakeOptions): AlertIntake {
  const nextId = monotonicFactory()
  const commits: GroupCommit<readonly NewAlert[], Intake> = groupCommit({
    commit: insert,
    sizeOf: (alerts) => alerts.length,
    keysOf: (alerts) =>
      alerts.flatMap(({ fingerprint: own, organization, id }) => (own === undefined ? [] : [`${organization}\0${id}`])),
  })
  return {
    async accept(drafts) {
      const alerts: NewAlert[] = []
      for (const [index, draft] of drafts.entries()) {
        const organization = organizations.get(draft.organization)
        if (organization === undefined)
          return { status: 'unknownOrganization', index, organization: draft.organization }
        alerts.push(newAlert(draft, organization, nextId))
      }
      const intake = await commits.submit(alerts)
      if (intake.status === 'accepted')
        onStored(new Set(alerts.flatMap(({ receivers }) => receivers.map(({ destination }) => destination))))
      return intake
    },
    idle: () => commits.idle(),
  }
}

function newAlert(draft: AlertDraft, organization: Organization, nextId: () => string): NewAlert {
  const { severity, status, type, title, message, labels = {}, dedupKey, occurredAt } = draft
  return {
    organization: organization.name,
    id: draft.id ?? nextId(),
    dedupWindowMs: organization.dedupWindowMs,
    maxAgeMs: organization.maxAgeMs,
    severity,
    status,
    type,
    title,
    message,
    labels,
    receivers: route(organization, draft, Date.now()).map(({ receiver, silenced }) => ({
      id: nextId(),
      name: receiver.name,
      channel: receiver.channel,
      destination: receiver.destination,
      ...(silenced === undefined ? {} : { silenced }),
    })),
    ...(draft.id === undefined ? {} : { fingerprint: fingerprint(draft) }),
    ...(dedupKey === undefined ? {} : { dedupKey }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
  }
}
