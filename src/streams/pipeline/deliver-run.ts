import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Timer } from '../../ports/clock.ts'
import type { TakenItem } from '../../ports/item-source.ts'
import { writeDeadLetter } from '../dead-letters/write-dead-letter.ts'
import { aborted, breakerOpen, closing, overCapacity, refusalOf } from '../safe-call/refusals.ts'
import { tellOutcome } from '../safe-call/tell-outcome.ts'
import { type AgeWatch, ageWatch } from './age-watch.ts'
import { Chain } from './chain.ts'
import { attempt } from './deliver-attempts.ts'
import { attemptWithinLimit, type LimitHost, refund } from './deliver-limit.ts'
import type { Delivered, DeliverPlan } from './deliver-options.ts'
import { Delivery } from './delivery.ts'
import type { Destination } from './destination.ts'
import { Destinations } from './destinations.ts'
import { FairLanes } from './fair-lanes.ts'
import { type LimitGates, limitGates } from './limit-gates.ts'
import type { PipelineCounts } from './pipeline-gauge.ts'
import { placeDelivery } from './place-delivery.ts'

/** Where outcomes go. */
export interface DeliverSink {
  next(delivered: Delivered<unknown, unknown>): void
  complete(): void
  error(error: unknown): void
}

/** Where items come from, as far as it can be told something. */
export interface DeliverFeed {
  /** Set for a source that is asked. */
  request?(count: number): void
  close(): void
}

/** One subscription to `deliver`. A class, since it is what each item goes through. */
export class DeliverRun implements LimitHost {
  readonly plan: DeliverPlan
  isDraining = false
  readonly #sink: DeliverSink
  #feed: DeliverFeed | undefined
  readonly #lanes: FairLanes<Delivery>
  /** Each holds one of the places. */
  readonly #inFlight = new Chain<Delivery>()
  /** They never had a place, and are being dead-lettered or settled. */
  readonly #leaving = new Chain<Delivery>()
  readonly limits: LimitGates
  readonly #destinations: Destinations
  readonly #ages: AgeWatch
  #inHand = 0
  /** Asked for, and not come. */
  #asked = 0
  #ended: { readonly error?: unknown } | undefined
  #over = false
  #pumping = false
  #pumpPlanned = false
  #drainTimer: Timer | undefined
  readonly #stopListening: () => void

  constructor(plan: DeliverPlan, sink: DeliverSink) {
    this.plan = plan
    this.#sink = sink
    this.#lanes = new FairLanes(plan.ordered)
    const { clock, holds, whenOpen } = plan
    this.limits = limitGates(clock, (gate) => this.#released(gate))
    const onLets = (destination: Destination): void => void this.#released(destination)
    const onShut = (destination: Destination): void => this.#planHandBack(destination)
    this.#destinations = new Destinations(plan.breaker, { clock, holds, waits: whenOpen === 'wait', onLets, onShut })
    this.#ages = ageWatch(
      clock,
      () => this.#lanes.all(),
      (delivery) => this.#tooOld(delivery),
    )
    const onDrain = (): void => this.drain()
    const onAbort = (): void => this.#abortAll()
    plan.signal?.addEventListener('abort', onDrain)
    plan.retry.signal?.addEventListener('abort', onAbort)
    this.#stopListening = () => {
      plan.signal?.removeEventListener('abort', onDrain)
      plan.retry.signal?.removeEventListener('abort', onAbort)
    }
  }

  get counts(): PipelineCounts {
    return { inFlight: this.#inFlight.size, waiting: this.#lanes.size }
  }

  /** The source is there. */
  open(feed: DeliverFeed): void {
    this.#feed = feed
    if (this.#over || this.isDraining) feed.close()
    else this.#askForMore()
  }

  /** An item has come. */
  take(item: unknown, taken?: TakenItem<unknown>): void {
    if (this.#asked > 0) this.#asked -= 1
    if (this.#over) return taken && settle(taken, closing, () => {})
    const { plan } = this
    const delivery = new Delivery(item, taken, plan.clock.monotonic(), this.#destinations.usual)
    this.#inHand += 1
    delivery.place.inHand += 1
    if (this.isDraining) return this.end(delivery, closing)
    try {
      placeDelivery(plan, delivery, this.#destinations, this.#abort)
    } catch (error) {
      if (!this.#isOff(delivery)) this.#misplaced(delivery, error)
      return
    }
    if (this.#isOff(delivery)) return
    if (taken === undefined && this.#inHand > plan.concurrency + plan.maxWaiting) {
      if (!this.#makeRoom(delivery)) return this.end(delivery, overCapacity)
      if (this.#isOff(delivery)) return
    }
    if (this.#mayStart(delivery)) return this.#start(delivery)
    if (this.handBack(delivery)) return
    this.#lanes.add(delivery)
    this.#ages.add(delivery)
    this.#pump()
  }

  /** Nothing more comes. What is in hand has its outcomes first. */
  sourceEnded(end: { readonly error?: unknown }): void {
    this.#ended ??= end
    this.#endIfDone()
  }

  drain(): void {
    if (this.isDraining || this.#over) return
    this.isDraining = true
    this.#feed?.close()
    for (const delivery of this.#lanes.all()) this.#takeOut(delivery, closing)
    for (const delivery of [...this.#inFlight]) if (delivery.isResting) this.end(delivery, closing)
    this.#endIfDone()
    if (this.#over) return
    const handBack = (): void => {
      for (const delivery of [...this.#inFlight, ...this.#leaving]) this.end(delivery, closing)
    }
    this.#drainTimer = this.plan.clock.setTimeout(handBack, this.plan.drainMs, { keepAlive: true })
  }

  /** Nobody wants to hear of outcomes any more: everything is called off, and handed back. */
  abandon(): void {
    if (this.#over) return
    this.#stop()
    this.#feed?.close()
    for (const delivery of [...this.#lanes.all(), ...this.#inFlight, ...this.#leaving]) this.#callOff(delivery)
  }

  end(delivery: Delivery, outcome: Outcome<unknown>): void {
    if (!delivery.over) this.endWith(delivery, { ...outcome, item: delivery.item })
  }

  /** The same for an outcome that has its item: to copy it would cost most items a third of all that they cost. */
  endWith(delivery: Delivery, delivered: Delivered<unknown, unknown>): void {
    const { taken } = delivery
    this.#stopDelivery(delivery)
    if (delivery.chain === undefined) this.#leaving.push(delivery)
    this.#sink.next(tellOutcome(delivery.place.breaker?.name, delivered))
    if (taken === undefined) this.#left(delivery)
    else settle(taken, delivered, () => this.#left(delivery))
  }

  giveUp(delivery: Delivery, error: ClassifiedError): void {
    const { plan } = this
    const { deadLetter } = plan
    if (delivery.isTrial) delivery.place.review()
    delivery.isTrial = false
    if (deadLetter === undefined) return this.end(delivery, { status: 'failed', error, ...this.#tally(delivery) })
    if (delivery.chain === undefined) this.#leaving.push(delivery)
    void this.#deadLetter(delivery, deadLetter, error)
  }

  async #deadLetter(
    delivery: Delivery,
    { queue, describe }: NonNullable<DeliverPlan['deadLetter']>,
    error: ClassifiedError,
  ): Promise<void> {
    const failure = { error, attemptErrors: delivery.retry?.attemptErrors ?? [] }
    const parts = { deadLetters: queue, logger: this.plan.logger }
    const letterId = await writeDeadLetter(parts, (of) => describe(delivery.item, of), failure)
    const facts = { error, ...this.#tally(delivery) }
    if (letterId === undefined) this.end(delivery, { status: 'failed', ...facts })
    else this.end(delivery, { status: 'deadLettered', letterId, ...facts })
  }

  handBack(delivery: Delivery): boolean {
    const { waitInHandMs, clock } = this.plan
    if (waitInHandMs === Infinity || delivery.place.lets) return false
    const waitMs = delivery.place.shutForMs
    // What is too old does not wait for anything.
    if (waitMs <= waitInHandMs || delivery.expiresAt <= clock.monotonic()) return false
    this.#takeOut(delivery, this.isDraining ? closing : breakerOpen(waitMs))
    return true
  }

  putBack(delivery: Delivery): void {
    if (this.isDraining) return this.end(delivery, closing)
    if (this.handBack(delivery)) return
    this.#inFlight.remove(delivery)
    delivery.waitsSince = this.plan.clock.monotonic()
    if (delivery.hasTried && !this.plan.ordered) this.#lanes.add(delivery)
    else this.#lanes.putBack(delivery)
    delivery.hasTried = false
    this.#ages.add(delivery)
    this.#planPump()
  }

  giveBack({ limit, attempts }: Delivery): void {
    if (limit !== undefined && attempts === 0) refund(this, limit)
  }

  expire(delivery: Delivery): void {
    // Not only when its letter is written: others are within the limit meanwhile.
    this.giveBack(delivery)
    const last = delivery.retry?.last
    const message = `it waited longer than maxAgeMs${last === undefined ? '' : `; before, it failed: ${last.error.message}`}`
    this.giveUp(delivery, { type: 'expired', retryable: false, name: 'ExpiredError', message, cause: last?.thrown })
  }

  /** Nobody hears of it but where it came from. */
  #callOff(delivery: Delivery): void {
    if (delivery.over) return
    this.#stopDelivery(delivery)
    if (delivery.taken !== undefined) settle(delivery.taken, closing, () => {})
  }

  /** Whether it has ended while somebody else was heard, a hook or a subscriber, who may have ended it, or everything. */
  #isOff(delivery: Delivery): boolean {
    if (this.#over) this.#callOff(delivery)
    else if (this.isDraining) this.end(delivery, closing)
    else if (delivery.abort?.signal.aborted || this.plan.retry.signal?.aborted) this.end(delivery, aborted)
    return delivery.over
  }

  /** Some hook has thrown, or there is no room for its breaker. */
  #misplaced(delivery: Delivery, error: unknown): void {
    const refused = refusalOf(error)
    if (refused === undefined) return this.giveUp(delivery, classify(error))
    this.end(delivery, refused)
    if (refused === closing) this.drain()
  }

  /** The places are all taken, and so are those to wait in: the key that has the most of them gives one up. */
  #makeRoom({ key }: Delivery): boolean {
    const last = this.#lanes.newestOfLongestBut(key)
    if (last === undefined) return false
    this.#takeOut(last, overCapacity)
    return true
  }

  /** Whether it can have a place at once, past the lanes. */
  #mayStart(delivery: Delivery): boolean {
    if (this.#inFlight.size >= this.plan.concurrency || this.plan.ordered || this.#pumping) return false
    return this.#lanes.isIdle && this.#inTheWay(delivery) === undefined
  }

  readonly #inTheWay = (delivery: Delivery): object | undefined => {
    const { place, limit } = delivery
    if (!place.lets) return place
    return limit === undefined || limit.isAllowed || delivery.attempts > 0 ? undefined : this.limits.inTheWay(limit.id)
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#over && this.#inFlight.size < this.plan.concurrency) {
      const next = this.#lanes.next(this.#inTheWay)
      if (next === undefined) break
      this.#start(next)
    }
    this.#pumping = false
    this.#askForMore()
  }

  /** Not at once: whoever says that something can be sent again is in the middle of something. */
  #planPump(): void {
    if (this.#pumpPlanned) return
    this.#pumpPlanned = true
    queueMicrotask(() => {
      this.#pumpPlanned = false
      if (!this.#over) this.#pump()
    })
  }

  /** Nothing can be sent there for a while: what waits for it in hand may wait too long. */
  #planHandBack(destination: Destination): void {
    if (this.plan.waitInHandMs === Infinity || destination.inHand === 0) return
    queueMicrotask(() => {
      for (const delivery of this.#over ? [] : this.#lanes.all())
        if (delivery.place === destination && !delivery.over) this.handBack(delivery)
    })
  }

  #released(obstacle: object): boolean {
    this.#planPump()
    return this.#lanes.release(obstacle)
  }

  #start(delivery: Delivery): void {
    this.#inFlight.push(delivery)
    const { retry, waitsSince, limit } = delivery
    if (retry !== undefined && waitsSince !== undefined) retry.deadlineAt += this.plan.clock.monotonic() - waitsSince
    if (limit === undefined || limit.isAllowed || delivery.attempts > 0) return attempt(this, delivery)
    void attemptWithinLimit(this, delivery, limit)
  }

  readonly #abort = (delivery: Delivery): void => this.#takeOut(delivery, aborted)

  #abortAll(): void {
    for (const delivery of [...this.#lanes.all(), ...this.#inFlight, ...this.#leaving]) this.#abort(delivery)
  }

  #tooOld(delivery: Delivery): void {
    if (delivery.over) return
    this.#lanes.remove(delivery)
    this.expire(delivery)
  }

  /** Ends one that waits, or wherever it is. */
  #takeOut(delivery: Delivery, outcome: Outcome<unknown>): void {
    this.#lanes.remove(delivery)
    this.end(delivery, outcome)
  }

  #stopDelivery(delivery: Delivery): void {
    const { abort, backoff, call, place, isTrial, limit, attempts } = delivery
    delivery.over = true
    if (limit?.isAllowed === false && attempts === 0) this.limits.leave(limit.id)
    if (backoff !== undefined) this.plan.clock.clearTimeout(backoff)
    abort?.signal.removeEventListener('abort', abort.listener)
    this.giveBack(delivery)
    call?.abort()
    delivery.isTrial = false
    if (isTrial && !this.#over) place.review()
  }

  #tally({ attempts, takenAt }: Delivery): { readonly attempts: number; readonly durationMs: number } {
    return { attempts, durationMs: this.plan.clock.monotonic() - takenAt }
  }

  #left(delivery: Delivery): void {
    const hadPlace = delivery.chain === this.#inFlight
    delivery.chain?.remove(delivery)
    if (hadPlace) this.#lanes.left(delivery)
    this.#inHand -= 1
    this.#destinations.left(delivery.place)
    if (this.#over) return
    if (this.#ended !== undefined || this.isDraining) this.#endIfDone()
    if (this.#lanes.size > 0) this.#pump()
    else this.#askForMore()
  }

  #askForMore(): void {
    const { concurrency, maxWaiting, breakerOf } = this.plan
    if (this.#feed?.request === undefined || this.#over || this.isDraining || this.#ended !== undefined) return
    // What cannot be sent is better off where it is.
    if (breakerOf === undefined && !this.#destinations.usual.isLetting) return
    const room = concurrency + maxWaiting - this.#inHand - this.#asked
    if (room <= 0) return
    this.#asked += room
    this.#feed.request(room)
  }

  #endIfDone(): void {
    if (this.#over || this.#inHand > 0 || (this.#ended === undefined && !this.isDraining)) return
    this.#stop()
    if (this.#ended?.error === undefined) this.#sink.complete()
    else this.#sink.error(this.#ended.error)
  }

  /** Ends all timers and all listening. */
  #stop(): void {
    this.#over = true
    this.#stopListening()
    this.limits.close()
    this.#destinations.close()
    this.#ages.close()
    const { clock } = this.plan
    if (this.#drainTimer !== undefined) clock.clearTimeout(this.#drainTimer)
  }
}

/** Says what became of an item, and hears when that is safe. */
function settle(taken: TakenItem<unknown>, outcome: Outcome<unknown>, done: () => void): void {
  try {
    const settled = taken.settle(outcome)
    if (settled instanceof Promise) settled.then(done, done)
    else done()
  } catch {
    done()
  }
}
