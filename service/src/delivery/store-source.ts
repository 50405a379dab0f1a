import type { ItemSink, ItemSource, Logger, Outcome, Switchgear } from 'switchgear'
import { type Organizations, receiverOf } from '../config/organizations.ts'
import { createPace } from '../intake/pace.ts'
import { type AlertStore, leaseMsDefault } from '../store/alert-store.ts'
import type { Wanted } from '../store/claim-messages.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'
import type { Claimed } from '../store/stored-alert.ts'
import { type Alarms, createAlarms } from './alarms.ts'
import type { Sent } from './deliver-messages.ts'
import type { Holds } from './holds.ts'
import { type MessageInHand, messageInHand } from './message-in-hand.ts'
import { recordAgainMsMax, type Recorder } from './outcome-recorder.ts'
import { createShares } from './shares.ts'

/** The least time between two claims, in ms: a statement costs much the same for one message and for fifty. */
const claimEveryMs = 10

/** How long a destination is left alone, in ms, while somebody just tries it: what comes of that is known soon. */
const probeWaitMs = 100

/** Those that have waited too long have a share of the places as if they went to a destination of their own. */
const tooOld = 'too old'

/** How long a message waits whose receiver has moved, in ms: while instances are replaced they disagree on where it is. */
const movedWaitMs = 1_000

/**
 * After the store was away for longer than that, in ms, claims are over that others could not renew; what they have sent
 * meanwhile they write down at their next try, which is to come before anybody claims it.
 */
const awayMsMax = leaseMsDefault / 2
const restMs = 2 * recordAgainMsMax

export interface StoreSourceOptions {
  readonly store: Pick<AlertStore, 'claim' | 'claimExpired'>
  readonly gear: Pick<Switchgear, 'breakers'>
  readonly organizations: Organizations
  readonly holds: Pick<Holds, 'leftMs'>
  readonly recorder: Recorder<OutcomeRecord>
  /** Writes what became of a message, and gives that. */
  readonly settle: (item: MessageInHand, outcome: Outcome<Sent>) => Promise<OutcomeRecord>
  readonly logger: Logger
}

/**
 * The messages in the store that are due, claimed as they are asked for: fairly among destinations, none of those that are
 * not to be asked at this moment, and one where it is to be tried.
 */
export interface StoreSource extends ItemSource<MessageInHand> {
  /** There may be messages for these destinations now. */
  wake(destinations: Iterable<string>): void
  /** There will be messages for this destination in so many ms. */
  wakeIn(destination: string, inMs: number): void
  /** The store has answered, and there may be messages that have waited too long. They go to whoever asks, wherever they were to go. */
  expire(): void
  /** The ids of what was claimed and is not settled. */
  inHand(): readonly string[]
  /** Resolves when nothing is in hand, or being claimed. */
  idle(): Promise<void>
}

export function storeSource(options: StoreSourceOptions): StoreSource {
  const { store, gear, organizations, holds, recorder, logger } = options
  const shares = createShares()
  const inHand = new Set<string>()
  /** Destinations that may have messages that are due. */
  const active = new Set<string>()
  /** Of those, which were named again while a claim was under way that may not have seen their messages. */
  const woken = new Set<string>()
  const alarms: Alarms = createAlarms((destination) => wake([destination]))
  const turn = createPace(claimEveryMs)
  let sink: ItemSink<MessageInHand> | undefined
  /** Asked for, and not given. */
  let wanted = 0
  let expiring = false
  let pumping = false
  let closed = false
  /** When the store has last answered, and until when nothing is claimed. */
  let answeredAt = performance.now()
  let restUntil = -Infinity
  let onIdle = (): void => {}

  return {
    open(reader) {
      sink = reader
      return {
        request(count) {
          wanted += count
          void pump()
        },
        close() {
          closed = true
          alarms.clear()
        },
      }
    },
    wake,
    wakeIn: (destination, inMs) => alarms.set(destination, inMs),
    expire() {
      answered()
      expiring = true
      void pump()
    },
    inHand: () => [...inHand],
    idle: () =>
      new Promise((resolve) => {
        onIdle = resolve
        tellIdle()
      }),
  }

  function wake(destinations: Iterable<string>): void {
    for (const destination of destinations) {
      active.add(destination)
      woken.add(destination)
    }
    void pump()
  }

  /** Claims as long as there are messages and somebody wants them. One claim at a time: those who come meanwhile share the next. */
  async function pump(): Promise<void> {
    if (pumping || closed) return
    pumping = true
    try {
      do await turn()
      while (!closed && !isResting() && ((await claimExpired()) || (await claimDue())))
    } catch (error) {
      // The store is away; the regular look into it will wake us again.
      logger.error({ error }, 'messages could not be claimed')
    } finally {
      pumping = false
      tellIdle()
    }
  }

  function isResting(): boolean {
    const now = performance.now()
    if (now - answeredAt > awayMsMax) restUntil = now + restMs
    return now < restUntil
  }

  function answered(): void {
    isResting()
    answeredAt = performance.now()
  }

  /** Whether it is worth asking again. */
  async function claimExpired(): Promise<boolean> {
    const count = expiring ? shares.free(tooOld, wanted) : 0
    if (count === 0) return false
    expiring = false
    const messages = await store.claimExpired(count)
    answeredAt = performance.now()
    for (const message of messages) give({ ...message, leftMs: 0 }, tooOld)
    if (messages.length > 0) logger.warn({ messages: messages.length }, 'messages had waited too long')
    expiring ||= messages.length === count
    return messages.length > 0
  }

  async function claimDue(): Promise<boolean> {
    const plan = planClaim()
    if (plan.length === 0) return false
    woken.clear()
    const claimed = await store.claim(plan)
    answeredAt = performance.now()
    for (const { destination, count } of plan) {
      const came = claimed.filter((message) => message.destination === destination).length
      if (came < count && !woken.has(destination)) active.delete(destination)
    }
    for (const message of claimed) give(message, message.destination)
    return true
  }

  function planClaim(): readonly Wanted[] {
    const plan: Wanted[] = []
    let left = wanted
    for (const destination of active) {
      const count = Math.min(shares.free(destination, left), mayBeAsked(destination))
      if (count === 0) continue
      plan.push({ destination, count })
      left -= count
    }
    // Who is given something goes to the end: where places are few, all have their turn.
    for (const { destination } of plan) {
      active.delete(destination)
      active.add(destination)
    }
    return plan
  }

  /** How many it may be sent now; while that is none, an alarm is set for when to look again. */
  function mayBeAsked(destination: string): number {
    const breaker = gear.breakers.get(destination)
    const refusedMs = breaker?.refusedForMs()
    const waitMs = Math.max(holds.leftMs(destination), refusedMs === undefined ? 0 : Math.max(refusedMs, probeWaitMs))
    if (waitMs > 0) alarms.set(destination, waitMs)
    if (waitMs > 0) return 0
    return breaker?.passes === false ? 1 : Infinity
  }

  function give(message: Claimed, share: string): void {
    // Its lease was over and this same process has claimed it again: it is still being worked on.
    if (inHand.has(message.id)) return
    inHand.add(message.id)
    shares.taken(share)
    const receiver = receiverOf(organizations, message.alert.organization, message.receiver)
    if (receiver !== undefined && receiver.destination !== message.destination && message.leftMs > 0)
      return void finished(message, share, passOn(message, receiver.destination))
    wanted -= 1
    const item = messageInHand(message, receiver)
    sink?.item({ item, settle: (outcome) => finished(message, share, options.settle(item, outcome as Outcome<Sent>)) })
  }

  /** Its receiver has moved meanwhile. */
  async function passOn(message: Claimed, destination: string): Promise<OutcomeRecord> {
    const { id, attempts, reached, refused } = message
    const record: OutcomeRecord = {
      id,
      attempts,
      reached,
      refused,
      state: 'pending',
      dueInMs: movedWaitMs,
      destination,
    }
    await recorder.record(record)
    return record
  }

  async function finished(message: Claimed, share: string, recorded: Promise<OutcomeRecord>): Promise<void> {
    let well = share === tooOld
    try {
      const { state, dueInMs = 0, destination = message.destination } = await recorded
      well ||= state === 'delivered'
      if (state === 'pending' && !closed) alarms.set(destination, dueInMs)
    } catch (error) {
      logger.error({ error, message: message.id }, 'the outcome of a message could not be written')
    } finally {
      inHand.delete(message.id)
      shares.returned(share, well)
      tellIdle()
      void pump()
    }
  }

  function tellIdle(): void {
    if (!pumping && inHand.size === 0) onIdle()
  }
}
