import { BreakerOpenError, type BreakerRefusal } from '../kernel/errors.ts'
import { within, type Clock, type Timer } from '../ports/clock.ts'
import type { Link } from '../ports/event-log.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { claimableAt, noCounts, recoveryDelay, type Intent, type ProbeResult } from './breaker-decide.ts'
import type { Counts } from './breaker-events.ts'
import { probeShare, type BreakerSettings } from './breaker-options.ts'
import type { Evidence } from './evidence.ts'
import { freshVotes, type FleetState } from './fleet-state.ts'
import { causeInForce, inForce, unread, type Position } from './fold.ts'
import { admission, type Admission } from './gate.ts'
import { afterProbe, steady, takenOver, tripped, type Local, type Moment, type Trip } from './local.ts'
import { claimWaitMs, noToken, overdueResult, type Probe, type ProbeToken } from './probe.ts'
import { isUnanswered, proposalJitterMs } from './proposer.ts'
import type { Replica } from './replica.ts'
import { describeState, type BreakerState } from './breaker-state.ts'
import { describeRefusal } from './refusal.ts'
import type { Transition } from './transition.ts'
import { timerMs, wakeAfterMs } from './wake.ts'

/** What a breaker has of the instance that it belongs to. */
export interface BreakerHost<B> {
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly replica: Replica
  readonly closed: boolean
  /** A change of this instance's own; the fleet's are told by whoever hears them from the replica. */
  emit(transition: Transition): void
  /** The breaker that took the place of one that had to make room; made if nobody has asked for it yet. */
  successor(retired: BreakerLifecycle<B>): B
  /** The breaker that has this name now, if any. */
  current(name: string): B | undefined
}

/** How long a breaker waits that could not tell the fleet that an order is over, in ms. */
const wakeAgainMs = 1_000

/** A refusal, and the monotonic time until which it stands. */
interface Refused {
  readonly error: BreakerOpenError
  readonly until: number
}

/**
 * What happens to a breaker: it trips, hears what the fleet decided, runs a probe, loses and regains the link. Nothing
 * here is touched by a call in the closed state; `Breaker`, which extends it, is the hot path. Classes, because one
 * object a breaker is what keeps 10,000 unused ones small.
 */
export abstract class BreakerLifecycle<B> {
  readonly name: string
  readonly settings: BreakerSettings
  protected readonly host: BreakerHost<B>
  /** The one thing that a call in the closed state asks. */
  protected admits = true
  protected evidence: Evidence | undefined
  protected probe: Probe | undefined
  /** It made room for others, and its calls go to its successor. */
  protected retired = false
  #position: Position = unread
  #local: Local = steady
  #wake: Timer | undefined
  #voting = false
  #tripsTold = 0
  #lastToken: ProbeToken = noToken
  #refused: Refused | undefined

  constructor(name: string, settings: BreakerSettings, host: BreakerHost<B>) {
    this.name = name
    this.settings = settings
    this.host = host
  }

  /** Takes over what is known of it already; for the constructor of the class that has all of its fields. */
  protected start(): void {
    const position = this.host.replica.position(this.name)
    if (position === unread) return
    this.#position = position
    if (!this.host.replica.linked) this.#standAlone()
    this.#gateChanged()
  }

  /** Every change of the gate starts a new generation: outcomes of calls that were admitted before do not count. */
  protected abstract newGeneration(counting: boolean): void
  /** Runs `probe.check` as the probe. */
  protected abstract selfCheck(): void

  /** Where it stands for this instance's calls. */
  get state(): BreakerState {
    const { instance, replica } = this.host
    // One that had to make room hears of nothing any more.
    const position = this.retired ? replica.position(this.name) : this.#position
    return describeState({
      fleet: inForce(position),
      cause: causeInForce(position),
      local: this.#local,
      linked: replica.linked,
      instance,
      counts: this.evidence?.counts() ?? noCounts,
      ...this.#moment,
    })
  }

  /** The fleet's word, as far as it was read. */
  get #fleet(): FleetState {
    return inForce(this.#position)
  }

  /** Nothing would be lost with it: closed everywhere, no streak, no window, no probe. */
  get idle(): boolean {
    return this.#atRest && (this.evidence?.idle ?? true)
  }

  /** Calls counted since the gate last changed; `undefined` for one that is not closed, or has a probe. */
  get callsCounted(): number | undefined {
    return this.#atRest ? (this.evidence?.calls ?? 0) : undefined
  }

  get #atRest(): boolean {
    return this.admits && this.#fleet.mode === 'closed' && this.probe === undefined
  }

  /** The log of this breaker was read further: by one accepted event, or by a whole replay. */
  onChange(before: Position, after: Position): void {
    this.#position = after
    this.#refused = undefined
    const was = inForce(before)
    const { mode, term, lease } = inForce(after)
    if (this.probe?.scope === 'fleet' && this.probe.fence !== undefined && this.probe.fence !== lease?.fence)
      this.#dropProbe()
    const { cause } = after
    const isSame = mode === was.mode && term === was.term
    // What a preview has told before changes when it is read, since only then it is known since when it holds.
    const isNews = !isSame || (before.held?.why === 'preview' && cause !== before.cause)
    const isOvertaken =
      isNews && this.#local.kind === 'tripped' && (cause?.at ?? 0) >= this.host.replica.logTimeOf(this.#local.since)
    if (isSame && !isOvertaken) {
      if (lease !== was.lease) this.#planWake()
      // What was in force is certain now, or a new log has been told of it: no proposal could count before.
      const isConfirmed = (before.provisional && !after.provisional) || before.state.term !== after.state.term
      if (isConfirmed) this.#proposeFreshTrip()
      void this.#countVotes()
      return
    }
    if (isOvertaken) {
      if (this.probe?.scope === 'local') this.#dropProbe()
      this.#local = steady
    }
    if (!this.host.replica.linked) this.#standAlone()
    this.#gateChanged()
  }

  /** The link to the fleet came up or went down. */
  onLink(link: Link): void {
    if (link.state === 'linked') this.#reconcile()
    else this.#standAlone()
    this.#refused = undefined
    // One that is closed with and without the link keeps what it has counted.
    if (this.admits && this.#fleet.mode === 'closed' && this.#local.kind === 'steady') return
    if (this.#position !== unread || this.#local !== steady) this.#gateChanged()
  }

  /** The instance is closing: no call is admitted any more, and what is under way may end. */
  shut(): void {
    this.admits = false
    this.#refused = undefined
  }

  /** Ends its timers; from now on nothing reaches it but through its slow path. */
  retire(): void {
    this.admits = false
    this.retired = true
    this.#refused = undefined
    // The instance closes, and the fleet need not wait for the end of its lease.
    if (this.probe?.fence !== undefined) this.endProbe(this.probe, 'ignored')
    this.#dropProbe()
    if (this.#wake !== undefined) this.host.clock.clearTimeout(this.#wake)
    this.newGeneration(false)
  }

  /** A rule tripped: this instance refuses calls from this tick on, and the fleet hears of it afterwards. */
  protected trip(rule: string): void {
    if (this.#local.kind === 'tripped') return
    const counts = this.evidence?.counts(rule) ?? noCounts
    this.#tripLocally('closed', rule, counts, 0)
  }

  /** Time alone has made the gate admit: an order is over that nobody could be told of, as the link is down. */
  protected reopen(): boolean {
    this.#gateChanged()
    return this.admits
  }

  protected admission(): Admission {
    return admission({
      fleet: this.#fleet,
      local: this.#local,
      linked: this.host.replica.linked,
      ...this.#moment,
    })
  }

  /**
   * What calls are refused with at this moment; `undefined` when one may pass, or become the probe. One look a
   * millisecond serves all calls of it, since the look costs thirty times the rest of a refusal.
   */
  protected refused(): BreakerOpenError | undefined {
    const standing = this.standing()
    if (standing !== undefined) return standing
    const now = this.host.clock.monotonic()
    const next = this.admission()
    if (next.kind !== 'refuse') return undefined
    const error = new BreakerOpenError(this.refusal(next))
    this.#refused = { error, until: now + Math.min(1, next.waitMs) }
    return error
  }

  /** The last look, while it is good: no more has to be asked then, since what could change it makes it forgotten. */
  protected standing(): BreakerOpenError | undefined {
    const refused = this.#refused
    return refused !== undefined && this.host.clock.monotonic() < refused.until ? refused.error : undefined
  }

  protected refusal(refused: Admission & { kind: 'refuse' }): BreakerRefusal {
    return describeRefusal(this.name, refused, this.state, this.host.clock.now())
  }

  /** Starts this instance's own probe. */
  protected startLocalProbe(): Probe | undefined {
    const local = this.#local
    if (local.kind !== 'tripped') return undefined
    const { leaseMs } = this.settings
    const { term, attempts } = this.#fleet
    const used = this.#lastToken.term === term ? this.#lastToken.attempt : 0
    this.#lastToken = { term, attempt: Math.max(attempts, used) + 1 }
    const probe: Probe = {
      scope: 'local',
      token: this.#lastToken,
      phase: 'held',
      endsAt: this.host.clock.monotonic() + leaseMs * probeShare,
    }
    this.#setLocal({ ...local, probing: true }, 'open', 'the recovery time is over')
    this.hold(probe)
    return probe
  }

  /**
   * Claims the fleet's probe. Resolves with it once the claim is accepted, or with `undefined` after a while without; the
   * claim may still be accepted later, and is for the next call then.
   */
  protected claim(): Promise<Probe | undefined> {
    const probe: Probe = { scope: 'fleet', token: noToken, phase: 'claiming', endsAt: Infinity }
    this.probe = probe
    return within(this.host.clock, claimWaitMs, this.#claimFor(probe))
  }

  async #claimFor(probe: Probe): Promise<Probe | undefined> {
    const proposed = await this.host.replica.propose(this.name, this.settings, { type: 'claim' })
    if (this.probe !== probe) return undefined
    const { term, lease } = this.#fleet
    if (proposed.status !== 'accepted' || lease?.fence !== proposed.event.id) {
      this.#dropProbe()
      return undefined
    }
    this.#lastToken = { term, attempt: lease.attempt }
    probe.token = this.#lastToken
    probe.fence = lease.fence
    probe.endsAt = proposed.sentAt + this.settings.leaseMs * probeShare
    probe.phase = 'held'
    this.hold(probe)
    if (this.host.clock.monotonic() < probe.endsAt) return probe
    // It was so long on its way that no time is left to probe in.
    this.endProbe(probe, 'ignored')
    return undefined
  }

  /** The probe that waits for a call. One whose time is over, as its timer is late, is given up before a call takes it. */
  protected heldProbe(): Probe | undefined {
    const { probe } = this
    if (probe?.phase !== 'held') return undefined
    if (this.host.clock.monotonic() < probe.endsAt) return probe
    this.endProbe(probe, 'ignored')
    return undefined
  }

  /** Takes a probe's result, once; late ones change nothing. */
  protected endProbe(probe: Probe, result: ProbeResult): void {
    if (this.probe !== probe) return
    this.#dropProbe()
    const { fence } = probe
    if (probe.scope === 'fleet' && fence !== undefined && this.host.replica.linked) {
      const counts = {
        calls: 1,
        failures: result === 'failed' || result === 'hung' ? 1 : 0,
        slow: 0,
        consecutiveFailures: 0,
      }
      void this.#reportProbe({ type: 'probeEnded', fence, result, counts })
      return
    }
    this.#endLocalProbe(result)
  }

  /** Says it again while the lease lasts, where the log did not answer. */
  async #reportProbe(ended: Intent & { readonly type: 'probeEnded' }): Promise<void> {
    const { replica } = this.host
    const proposed = await replica.propose(this.name, this.settings, ended, { jitter: false })
    const { lease } = this.#fleet
    const isOver = lease?.fence !== ended.fence || replica.logNow() >= lease.until
    if (isUnanswered(proposed) && replica.linked && !isOver) await this.#reportProbe(ended)
  }

  #endLocalProbe(result: ProbeResult): void {
    const local = this.#local
    if (local.kind !== 'tripped') return
    if (result === 'failed' || result === 'hung') {
      const reason = result === 'failed' ? 'the probe failed' : 'the probe gave no result in time'
      return this.#tripLocally('halfOpen', reason, local.counts, local.failedRecoveries + 1)
    }
    const next = afterProbe(local, result, this.settings.successesToClose, this.host.clock.now())
    if (next.kind === 'steady') return this.#setLocal(next, 'halfOpen', 'the probe passed')
    this.#local = next
    this.#gateChanged()
  }

  #tripLocally(from: 'closed' | 'halfOpen', reason: string, counts: Counts, failedRecoveries: number): void {
    const recoveryMs = recoveryDelay(this.settings, failedRecoveries, this.host.random.next())
    const trip = tripped(this.#moment, { reason, by: this.host.instance, counts, recoveryMs, failedRecoveries })
    this.#setLocal(trip, from, reason)
    if (this.host.replica.linked) void this.#proposeTrip(trip)
  }

  /** Says it again while it is fresh, where the log did not answer, unless it was said since: a link came up meanwhile. */
  async #proposeTrip(trip: Trip): Promise<void> {
    const turn = ++this.#tripsTold
    const { reason, counts, recoveryMs } = trip
    const { mode, term } = this.#position.state
    if (mode !== 'closed') return
    const proposed = await this.host.replica.propose(this.name, this.settings, {
      type: 'trip',
      term,
      reason,
      counts,
      recoveryMs,
    })
    if (!isUnanswered(proposed) || turn !== this.#tripsTold) return
    if (this.#freshTrip?.since === trip.since) await this.#proposeTrip(trip)
  }

  /** What the fleet may still have to hear of: a local trip is evidence for as long as its own recovery time. */
  get #freshTrip(): Trip | undefined {
    const local = this.#local
    if (local.kind !== 'tripped' || !local.own || !this.host.replica.linked) return undefined
    return this.host.clock.monotonic() - local.since <= local.recoveryMs ? local : undefined
  }

  #proposeFreshTrip(): void {
    const trip = this.#freshTrip
    if (trip !== undefined) void this.#proposeTrip(trip)
  }

  #setLocal(local: Local, from: Transition['from'], reason: string): void {
    this.#local = local
    this.#gateChanged()
    this.host.emit({
      breaker: this.name,
      from,
      to: local.kind === 'steady' ? 'closed' : local.probing ? 'halfOpen' : 'open',
      scope: 'local',
      reason,
      by: this.host.instance,
      at: this.host.clock.now(),
      term: this.#fleet.term,
      seq: 0,
      counts: local.kind === 'steady' ? noCounts : local.counts,
    })
  }

  /** Votes of others may have made a quorum; whoever sees it says so. */
  async #countVotes(): Promise<void> {
    const state = this.#fleet
    const { quorum } = this.settings
    if (quorum === 1 || state.mode !== 'closed' || this.#voting || !this.host.replica.linked) return
    if (freshVotes(state.votes, this.host.replica.logNow()).length < quorum) return
    this.#voting = true
    const counts = this.#local.kind === 'tripped' ? this.#local.counts : (this.evidence?.counts() ?? noCounts)
    const proposed = await this.host.replica.propose(this.name, this.settings, { type: 'countVotes', counts })
    this.#voting = false
    if (isUnanswered(proposed)) await this.#countVotes()
  }

  /** Relinked: the fleet's word and its votes count again; a local trip with fresh evidence of its own is proposed. */
  #reconcile(): void {
    void this.#countVotes()
    const local = this.#local
    if (local.kind === 'steady') return
    if (!local.own) {
      if (this.probe?.scope === 'local') this.#dropProbe()
      this.#local = steady
    } else this.#proposeFreshTrip()
  }

  /** Unlinked: what the fleet held open stays so here, until this instance's own probe passes. */
  #standAlone(): void {
    const claimAt = claimableAt(this.#fleet)
    if (this.#local.kind === 'tripped' || claimAt === undefined) return
    this.#local = takenOver(this.#moment, this.#fleet, causeInForce(this.#position), claimAt)
  }

  get #moment(): Moment {
    const { clock, replica } = this.host
    return { now: clock.monotonic(), wallNow: clock.now(), logNow: replica.logNow() }
  }

  #gateChanged(): void {
    this.#refused = undefined
    this.admits = this.admission().kind === 'admit' && !this.host.closed
    this.evidence = undefined
    this.newGeneration(this.#fleet.mode !== 'disabled')
    this.#planWake()
  }

  /** One timer, for what must happen without a call: the end of an order, and the checks of those who probe themselves. */
  #planWake(atLeastMs = 0): void {
    const { clock, random } = this.host
    if (this.#wake !== undefined) clock.clearTimeout(this.#wake)
    this.#wake = undefined
    const waitMs = this.host.closed ? undefined : this.#wakeAfterMs()
    if (waitMs === undefined) return
    this.#wake = clock.setTimeout(
      () => void this.#onWake(),
      timerMs(Math.max(atLeastMs, waitMs) + random.next() * proposalJitterMs),
    )
  }

  #wakeAfterMs(): number | undefined {
    const { linked, logNow } = this.host.replica
    return wakeAfterMs({
      orderEnd: this.#fleet.order?.until,
      linked,
      logNow: logNow(),
      next: this.settings.check === undefined ? undefined : this.admission(),
    })
  }

  async #onWake(): Promise<void> {
    this.#wake = undefined
    if (this.#fleet.order?.until === undefined) {
      this.selfCheck()
      return this.#planWake()
    }
    if (!this.host.replica.linked) return this.#gateChanged()
    const proposed = await this.host.replica.propose(this.name, this.settings, { type: 'orderOver' })
    // What cannot be told now, such as while the reading is uncertain, is not asked for again at once.
    this.#planWake(proposed.status === 'accepted' ? 0 : wakeAgainMs)
  }

  /** Keeps the probe until its result is overdue; once more for who takes it, since lateness is judged from then on. */
  protected hold(probe: Probe): void {
    const { clock } = this.host
    this.probe = probe
    this.#refused = undefined
    this.stopTimer(probe)
    const leftMs = Math.max(0, probe.endsAt - clock.monotonic())
    probe.timer = clock.setTimeout(() => {
      this.endProbe(probe, overdueResult(probe, leftMs, clock.monotonic() - probe.endsAt))
    }, leftMs)
  }

  protected stopTimer({ timer }: Probe): void {
    if (timer !== undefined) this.host.clock.clearTimeout(timer)
  }

  #dropProbe(): void {
    if (this.probe !== undefined) this.stopTimer(this.probe)
    this.probe = undefined
  }
}
