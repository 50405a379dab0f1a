import type { Logger, Switchgear } from 'switchgear'
import { monotonicFactory } from 'ulid'
import type { Organization, Organizations, Receiver } from '../config/organizations.ts'
import type { Holds } from '../delivery/holds.ts'
import { type Regular, regularly } from '../delivery/regularly.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { Missed, Missing } from '../store/missed-messages.ts'
import type { NewAlert } from '../store/new-alert.ts'
import type { Arrivals } from './arrivals.ts'

/** How often is looked for receivers that are to be told, in ms. */
const lookMs = 2_000

export interface RecoveredNoticesOptions {
  readonly store: Pick<AlertStore, 'missed' | 'tellMissed'>
  readonly organizations: Organizations
  readonly gear: Pick<Switchgear, 'breakers' | 'limiter'>
  readonly holds: Pick<Holds, 'leftMs'>
  readonly arrivals: Pick<Arrivals, 'lastAt'>
  readonly logger: Logger
  /** Hears of the destinations for which something was stored. */
  readonly onStored: (destinations: ReadonlySet<string>) => void
}

/**
 * Tells receivers that their destination takes messages again, and how many they missed: those that met its open breaker, or
 * waited until they were too old. One notice for each receiver and fleet, and for every 10,000 of very many: an alert of its
 * own, stored with the mark that it was made. It waits until the limit of its channel has room for it.
 */
export function recoveredNotices(options: RecoveredNoticesOptions): Regular {
  const { store, organizations, gear, holds, arrivals, logger, onStored } = options
  const nextId = monotonicFactory()
  const isWanted = [...organizations.values()].some((organization) => organization.recoveredNotices)
  return regularly(lookMs, 'receivers could not be told that their destinations have recovered', look, logger)

  async function look(): Promise<void> {
    if (!isWanted) return
    // A notice that was just stored is not counted yet: the next one under its limit waits for the next look.
    const used = new Set<string>()
    for (const missing of await store.missed()) {
      const organization = organizations.get(missing.organization)
      const receiver = organization?.receivers.find(({ name }) => name === missing.receiver)
      if (organization?.recoveredNotices !== true || receiver === undefined) continue
      const limit = `${receiver.channel} ${organization.name}`
      if (used.has(limit) || !hasRecovered(receiver, missing) || !(await hasRoom(missing, receiver))) continue
      const isTold = await store.tellMissed(missing, (missed) => noticeOf(organization, receiver, missed, nextId))
      if (!isTold) continue
      used.add(limit)
      logger.info({ ...missing, destination: receiver.destination }, 'a receiver is told that its destination is back')
      onStored(new Set([receiver.destination]))
    }
  }

  /** It has taken a message since the last that was missed, and is to be asked now: no breaker in itself says so much. */
  function hasRecovered({ destination }: Receiver, { lastAt }: Missing): boolean {
    const mayBeAsked = gear.breakers.get(destination)?.passes !== false && holds.leftMs(destination) === 0
    return mayBeAsked && (arrivals.lastAt(destination) ?? -Infinity) >= lastAt
  }

  async function hasRoom({ organization }: Missing, { channel }: Receiver): Promise<boolean> {
    return (await gear.limiter.peek(organization, channel)).allowed
  }
}

function noticeOf(
  { name, maxAgeMs, dedupWindowMs }: Organization,
  receiver: Receiver,
  { count, firstAt, lastAt }: Missed,
  nextId: () => string,
): NewAlert {
  const [first, last] = [firstAt, lastAt].map((at) => new Date(at).toISOString())
  const what = count === 1 ? '1 message' : `${count} messages`
  return {
    organization: name,
    id: nextId(),
    maxAgeMs,
    dedupWindowMs,
    severity: 'info',
    status: 'resolved',
    type: 'recovered',
    title: `Recovered: ${receiver.destination} takes messages again`,
    message: `${what} to "${receiver.name}" could not be delivered between ${first} and ${last}. They are not sent by themselves any more: they are dead letters, and can be redriven.`,
    labels: { receiver: receiver.name, destination: receiver.destination },
    receivers: [{ id: nextId(), name: receiver.name, channel: receiver.channel, destination: receiver.destination }],
  }
}
