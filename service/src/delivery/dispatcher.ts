import type { Logger } from 'switchgear'
import { createPace } from '../intake/pace.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { Claimed } from '../store/stored-alert.ts'
import { type Alarms, createAlarms } from './alarms.ts'
import type { Deliver, Delivery } from './deliver-message.ts'
import type { Holds } from './holds.ts'
import { outcomeRecorder } from './outcome-recorder.ts'
import { createShares } from './shares.ts'

/** The least time between two claims, in ms: a statement costs much the same for one message and for fifty. */
const claimEveryMs = 10

export interface DispatcherOptions {
  readonly store: Pick<AlertStore, 'claim' | 'record' | 'hold'>
  readonly deliver: Deliver
  readonly holds: Holds
  readonly logger: Logger
}

/** Takes messages from the store and sees each to its outcome. */
export interface Dispatcher {
  /** There may be messages for these destinations now. */
  wake(destinations: Iterable<string>): void
  /** There will be messages for this destination in so many ms. */
  wakeIn(destination: string, inMs: number): void
  /** The ids of what is being worked on. */
  inFlight(): readonly string[]
  /**
   * Takes nothing more; finishes what is being sent and hands back what waits, within `deadlineMs`; then hands back the
   * rest, too. Resolves when nothing is in flight.
   */
  drain(deadlineMs: number): Promise<void>
}

export function createDispatcher({ store, deliver, holds, logger }: DispatcherOptions): Dispatcher {
  const shares = createShares()
  const recorder = outcomeRecorder(store, logger)
  const inFlight = new Map<string, { readonly delivery: Delivery; readonly stop: AbortController }>()
  /** Destinations that may have messages that are due. */
  const active = new Set<string>()
  /** Of those, which were named again while a claim was under way that may not have seen their messages. */
  const woken = new Set<string>()
  const alarms: Alarms = createAlarms((destination) => wake([destination]))
  const turn = createPace(claimEveryMs)
  let draining = false
  let pumping = false
  let onIdle: (() => void) | undefined

  return {
    wake,
    wakeIn: (destination, inMs) => alarms.set(destination, inMs),
    inFlight: () => [...inFlight.keys()],
    drain,
  }

  function wake(destinations: Iterable<string>): void {
    for (const destination of destinations) {
      active.add(destination)
      woken.add(destination)
    }
    void pump()
  }

  /** Claims as long as there are messages and places. One claim at a time: those who come meanwhile share the next. */
  async function pump(): Promise<void> {
    if (pumping || draining) return
    pumping = true
    try {
      do await turn()
      while (!draining && (await claimOnce()))
    } catch (error) {
      // The store is away; the regular look into it will wake us again.
      logger.error({ error }, 'messages could not be claimed')
    } finally {
      pumping = false
      settled()
    }
  }

  /** Whether it is worth asking again. */
  async function claimOnce(): Promise<boolean> {
    const wanted = plan()
    if (wanted.length === 0) return false
    woken.clear()
    const claimed = await store.claim(wanted)
    const counts = countBy(claimed)
    for (const { destination, count } of wanted) {
      const drained = (counts.get(destination) ?? 0) < count
      if (drained && !woken.has(destination)) active.delete(destination)
    }
    for (const message of claimed) start(message)
    return true
  }

  function plan(): { destination: string; count: number }[] {
    const wanted: { destination: string; count: number }[] = []
    let planned = 0
    for (const destination of active) {
      const heldMs = holds.leftMs(destination)
      const count = heldMs > 0 ? 0 : shares.free(destination, planned)
      if (heldMs > 0) alarms.set(destination, heldMs)
      if (count === 0) continue
      wanted.push({ destination, count })
      planned += count
    }
    return wanted
  }

  function start(message: Claimed): void {
    // Its lease was over and this same process has claimed it again: it is still being worked on.
    if (inFlight.has(message.id)) return
    const stop = new AbortController()
    const delivery: Delivery = { message, signal: stop.signal, stopping: draining, sending: 0 }
    inFlight.set(message.id, { delivery, stop })
    shares.taken(message.destination)
    void run(delivery)
  }

  async function run(delivery: Delivery): Promise<void> {
    const { message } = delivery
    let well = false
    try {
      const { record, holdMs } = await deliver(delivery)
      well = record.state === 'delivered'
      if (holdMs !== undefined) await keepHold(message.destination, holdMs)
      await recorder.record(record)
      if (record.state === 'pending') alarms.set(record.destination ?? message.destination, record.dueInMs ?? 0)
    } catch (error) {
      logger.error({ error, message: message.id }, 'a message could not be worked on')
    } finally {
      inFlight.delete(message.id)
      shares.returned(message.destination, well)
      settled()
      void pump()
    }
  }

  async function keepHold(destination: string, leftMs: number): Promise<void> {
    try {
      await store.hold({ destination, leftMs }, 'Retry-After')
      logger.info({ destination, leftMs }, 'the destination asked to be left alone for a while')
    } catch (error) {
      // This process keeps to it all the same.
      logger.error({ error, destination }, 'a hold could not be written')
    }
  }

  async function drain(deadlineMs: number): Promise<void> {
    draining = true
    alarms.clear()
    for (const { delivery, stop } of inFlight.values()) {
      delivery.stopping = true
      if (delivery.sending === 0) stop.abort()
    }
    const timer = setTimeout(() => {
      logger.warn({ messages: inFlight.size }, 'the deadline is over: what is being sent is handed back')
      for (const { stop } of inFlight.values()) stop.abort()
      recorder.giveUp()
    }, deadlineMs)
    await new Promise<void>((resolve) => {
      onIdle = resolve
      settled()
    })
    clearTimeout(timer)
  }

  function settled(): void {
    if (!pumping && inFlight.size === 0) onIdle?.()
  }
}

function countBy(messages: readonly Claimed[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { destination } of messages) counts.set(destination, (counts.get(destination) ?? 0) + 1)
  return counts
}
