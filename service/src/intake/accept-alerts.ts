import type { Decision, Limiter } from 'switchgear'
import { monotonicFactory } from 'ulid'
import type { Organization, Organizations } from '../config/organizations.ts'
import { route } from '../routing/route.ts'
import type { AlertStore } from '../store/alert-store.ts'
import { type AcceptedAlert, alertKey, type Intake } from '../store/insert-alerts.ts'
import type { NewAlert } from '../store/new-alert.ts'
import type { AlertDraft } from './alert-schema.ts'
import { bookAlerts } from './book-alerts.ts'
import { fingerprint } from './fingerprint.ts'
import { type GroupCommit, groupCommit } from './group-commit.ts'
import { withKey } from './with-key.ts'

/** The door that every way in leads to: what it resolved for is stored. */
export interface AlertIntake {
  /**
   * Stores the alerts of one request, all or none. Each that is new counts once against its organization's limit; what is
   * there already is answered as it was, and counts no more. With `key`, the request's own, alerts without an id have one
   * from it. `traceparent`: the trace that the request belongs to, for the sends that follow.
   * @throws UnavailableError, OverCapacityError: nothing is stored, or it cannot be known; the same again is safe with ids.
   */
  accept(drafts: readonly AlertDraft[], key?: string, traceparent?: string): Promise<Acceptance>
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
}

export type Acceptance =
  | {
      readonly status: 'accepted'
      readonly alerts: readonly AcceptedAlert[]
      /** Where the limit stands, of the organization that is nearest to it. */
      readonly decision: Decision | undefined
    }
  /** The limit of an organization is reached. Nothing is stored, and nothing counted. */
  | { readonly status: 'limited'; readonly organization: string; readonly decision: Decision }
  | { readonly status: 'conflict'; readonly index: number; readonly id: string }
  | { readonly status: 'unknownOrganization'; readonly index: number; readonly organization: string }

export interface AlertIntakeOptions {
  readonly organizations: Organizations
  readonly store: Pick<AlertStore, 'insert' | 'findKnown'>
  readonly limiter: Pick<Limiter, 'check' | 'peek' | 'refund'>
  /** Hears of the destinations for which something was stored. */
  readonly onStored: (destinations: ReadonlySet<string>) => void
}

/** Turns drafts into rows, and shares one insert between the requests that come at the same time. */
export function alertIntake({ organizations, store, limiter, onStored }: AlertIntakeOptions): AlertIntake {
  const nextId = monotonicFactory()
  const commits: GroupCommit<readonly NewAlert[], Intake> = groupCommit({
    commit: (requests) => store.insert(requests),
    sizeOf: (alerts) => alerts.length,
    keysOf: (alerts) =>
      alerts.flatMap(({ fingerprint: own, organization, id }) =>
        own === undefined ? [] : [alertKey(organization, id)],
      ),
  })
  const looks: GroupCommit<readonly NewAlert[], ReadonlySet<string>> = groupCommit({
    async commit(requests) {
      const known = await store.findKnown(requests.flat())
      return requests.map(() => known)
    },
    sizeOf: (alerts) => alerts.length,
    keysOf: () => [],
  })
  return {
    async accept(given, key, traceparent) {
      const drafts = key === undefined ? given : withKey(given, key)
      const unknown = drafts.findIndex(({ organization }) => !organizations.has(organization))
      if (unknown >= 0)
        return { status: 'unknownOrganization', index: unknown, organization: drafts[unknown]?.organization ?? '' }
      const ofRequest = key === undefined ? undefined : fingerprint(drafts)
      const alerts = drafts.flatMap((draft, index) => {
        const organization = organizations.get(draft.organization)
        const print = given[index]?.id === undefined ? ofRequest : fingerprint(draft)
        if (organization === undefined) return []
        const alert = newAlert(draft, organization, print, nextId)
        return [traceparent === undefined ? alert : { ...alert, traceparent }]
      })
      return keep(alerts)
    },
    idle: () => commits.idle(),
  }

  async function keep(alerts: readonly NewAlert[]): Promise<Acceptance> {
    const booking = await bookAlerts(limiter, await countNew(alerts))
    if (booking.status === 'refused') return { ...booking, status: 'limited' }
    const intake = await commits.submit(alerts).catch(async (error: unknown) => {
      await booking.refund()
      throw error
    })
    if (intake.status !== 'accepted') {
      await booking.refund()
      return intake
    }
    onStored(new Set(alerts.flatMap(({ receivers }) => receivers.map(({ destination }) => destination))))
    return { ...intake, decision: booking.decision }
  }

  /** How many of them each organization has not stored yet. */
  async function countNew(alerts: readonly NewAlert[]): Promise<ReadonlyMap<string, number>> {
    const named = alerts.filter((alert) => alert.fingerprint !== undefined)
    const known = named.length === 0 ? undefined : await looks.submit(named)
    const idsOf = new Map<string, Set<string>>()
    for (const { organization, id } of alerts) {
      const ids = idsOf.get(organization) ?? new Set()
      if (known?.has(alertKey(organization, id)) !== true) ids.add(id)
      idsOf.set(organization, ids)
    }
    return new Map([...idsOf].map(([organization, ids]) => [organization, ids.size]))
  }
}

function newAlert(
  draft: AlertDraft,
  organization: Organization,
  print: string | undefined,
  nextId: () => string,
): NewAlert {
  const { severity, status, type, title, message, labels = {}, dedupKey, occurredAt } = draft
  return {
    organization: organization.name,
    id: draft.id ?? nextId(),
    dedupWindowMs: organization.dedupWindowMs,
    maxAgeMs: organization.maxAgeMs,
    isToldIfMissed: organization.recoveredNotices,
    severity,
    status,
    type,
    title,
    message,
    labels,
    receivers: route(organization, draft, Date.now()).map(({ receiver, group, silenced }) => ({
      id: nextId(),
      name: receiver.name,
      channel: receiver.channel,
      destination: receiver.destination,
      ...(group === undefined ? {} : { group }),
      ...(silenced === undefined ? {} : { silenced }),
    })),
    ...(print === undefined ? {} : { fingerprint: print }),
    ...(dedupKey === undefined ? {} : { dedupKey }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
  }
}
