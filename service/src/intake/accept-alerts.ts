import { monotonicFactory } from 'ulid'
import type { Decision, Limiter } from 'switchgear'
import type { Organization, Organizations } from '../config/organizations.ts'
import { route } from '../routing/route.ts'
import type { AlertStore } from '../store/alert-store.ts'
import { type AcceptedAlert, alertKey, type Intake } from '../store/insert-alerts.ts'
import type { NewAlert } from '../store/new-alert.ts'
import type { AlertDraft } from './alert-schema.ts'
import { bookAlerts } from './book-alerts.ts'
import { type BookedTogether, bookingTogether, type Request } from './book-together.ts'
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
  /** Hears of the destinations for which something was stored that is to be sent. */
  readonly onStored: (destinations: ReadonlySet<string>) => void
}

/** The least time from one question to the limiter to the next, in ms: they are short, and would be of few requests each. */
const bookingEveryMs = 2

/**
 * Turns drafts into rows. Requests that come at the same time share one question to the limiter and one insert; those whose
 * ids are the callers' ask for themselves, since they may turn out to be there already.
 */
export function alertIntake({ organizations, store, limiter, onStored }: AlertIntakeOptions): AlertIntake {
  // They have to be unique, not secret; the default asks the system for each character.
  const nextId = monotonicFactory(Math.random)
  const commits: GroupCommit<readonly Request[], readonly Intake[]> = groupCommit({
    async commit(entries) {
      const intakes = await store.insert(entries.flat())
      let end = 0
      return entries.map((requests) => intakes.slice(end, (end += requests.length)))
    },
    sizeOf: (requests) => requests.reduce((size, alerts) => size + sizeOf(alerts), 0),
    keysOf: (requests) => requests.flatMap((alerts) => alerts.filter(isNamed).map(keyOf)),
  })
  const looks: GroupCommit<Request, ReadonlySet<string>> = groupCommit({
    async commit(requests) {
      const known = await store.findKnown(requests.flat())
      return requests.map(() => known)
    },
    sizeOf,
    keysOf: () => [],
  })
  const bookTogether = bookingTogether(limiter)
  const bookings: GroupCommit<Request, Place> = groupCommit({
    async commit(requests) {
      const places = new Map<Request, Place>()
      for (const together of await bookTogether(requests)) {
        // Not waited for here: the next are booked while these are stored.
        const kept = keep(together)
        for (const [index, request] of together.requests.entries()) places.set(request, { kept, index })
      }
      return requests.flatMap((request) => places.get(request) ?? [])
    },
    sizeOf,
    keysOf: () => [],
    everyMs: bookingEveryMs,
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
        return organization === undefined ? [] : [newAlert({ draft, organization, print, traceparent }, nextId)]
      })
      const { kept, index } = alerts.some(isNamed) ? await bookAlone(alerts) : await bookings.submit(alerts)
      const acceptance = (await kept)[index]
      if (acceptance === undefined) throw new Error('the store gave no answer')
      return acceptance
    },
    async idle() {
      await bookings.idle()
      await commits.idle()
    },
  }

  async function bookAlone(alerts: Request): Promise<Place> {
    const booking = await bookAlerts(limiter, await countNew(alerts))
    return { kept: keep({ requests: [alerts], booking }), index: 0 }
  }

  /** Stores what is booked, in one batch, and gives back the booking where it is not stored. */
  async function keep({ requests, booking }: BookedTogether): Promise<readonly Acceptance[]> {
    if (booking.status === 'refused') return requests.map(() => ({ ...booking, status: 'limited' }))
    const intakes = await commits.submit(requests).catch(async (error: unknown) => {
      await booking.refund()
      throw error
    })
    // Only who asked alone can meet another alert of the same id.
    const isStored = intakes.every(({ status }) => status === 'accepted')
    // What was there after all was stored by another request at the same moment, and has been counted for that.
    if (!isStored || intakes.every((intake) => intake.status === 'accepted' && intake.isKnown)) await booking.refund()
    if (isStored) tellWhereToSend(requests.flat())
    return intakes.map((intake) => (intake.status === 'accepted' ? { ...intake, decision: booking.decision } : intake))
  }

  function tellWhereToSend(alerts: readonly NewAlert[]): void {
    const destinations = new Set<string>()
    for (const { receivers } of alerts)
      for (const { destination, silenced } of receivers) if (silenced === undefined) destinations.add(destination)
    if (destinations.size > 0) onStored(destinations)
  }

  /** How many of them each organization has not stored yet. */
  async function countNew(alerts: Request): Promise<ReadonlyMap<string, number>> {
    const known = await looks.submit(alerts.filter(isNamed))
    const idsOf = new Map<string, Set<string>>()
    for (const alert of alerts) {
      const ids = idsOf.get(alert.organization) ?? new Set()
      if (!known.has(keyOf(alert))) ids.add(alert.id)
      idsOf.set(alert.organization, ids)
    }
    return new Map([...idsOf].map(([organization, ids]) => [organization, ids.size]))
  }
}

/** Where the answer to a request will stand. */
interface Place {
  readonly kept: Promise<readonly Acceptance[]>
  readonly index: number
}

/** Characters that one place of a batch is for. */
const placeCharacters = 4_096

/**
 * The places that alerts take in a batch: one each, and more for long ones, so that a batch is some 4 million
 * characters at most.
 */
function sizeOf(alerts: Request): number {
  let size = 0
  for (const { message, labels } of alerts) {
    let characters = message.length
    for (const name in labels) characters += name.length + (labels[name]?.length ?? 0)
    size += 1 + Math.floor(characters / placeCharacters)
  }
  return size
}

/** Its id is the caller's. */
function isNamed({ fingerprint: own }: NewAlert): boolean {
  return own !== undefined
}

function keyOf({ organization, id }: NewAlert): string {
  return alertKey(organization, id)
}

interface Drafted {
  readonly draft: AlertDraft
  readonly organization: Organization
  readonly print: string | undefined
  readonly traceparent: string | undefined
}

function newAlert({ draft, organization, print, traceparent }: Drafted, nextId: () => string): NewAlert {
  return {
    organization: organization.name,
    id: draft.id ?? nextId(),
    fingerprint: print,
    dedupKey: draft.dedupKey,
    dedupWindowMs: organization.dedupWindowMs,
    maxAgeMs: organization.maxAgeMs,
    severity: draft.severity,
    status: draft.status,
    type: draft.type,
    title: draft.title,
    message: draft.message,
    labels: draft.labels ?? {},
    occurredAt: draft.occurredAt,
    traceparent,
    isToldIfMissed: organization.recoveredNotices,
    receivers: route(organization, draft, Date.now()).map(({ receiver, group, silenced }) => ({
      id: nextId(),
      name: receiver.name,
      channel: receiver.channel,
      destination: receiver.destination,
      group,
      silenced,
    })),
  }
}
