import { strict as assert } from 'node:assert'
import { decodeEvent, encodeEvent } from '../../machines/breaker-codec.ts'
import { resolveAfter } from '../../machines/breaker-events.ts'
import { fold, unread, type Position, type Verdict as FoldVerdict } from '../../machines/fold.ts'
import { silenceMs } from '../../machines/silence-watch.ts'
import type { Law } from '../law.ts'
import type { TestedInstance } from '../fleet-of-breakers.ts'
import { fleetBreaker, type FleetScript, type FleetScriptOptions } from '../fleet-script.ts'
import { fleetStory } from '../fleet-story.ts'
import type { StoredMessage } from '../../ports/event-log.ts'
import { healAndQuiet, playFleet, type PlayedFleet } from '../play-fleet.ts'
import { writeLog, type LogScript } from '../written-log.ts'
import { bytesOf } from './breaker-fold.ts'
import { commutes } from './fleet-commutes.ts'
import { quorum } from './fleet-quorum.ts'
import { onSubject } from './on-subject.ts'

export type FleetLawName = 'agreement' | 'prefix' | 'convergence' | 'oneWinner' | 'commutes' | 'codec' | 'quorum'

const scripts: FleetScriptOptions = { logs: ['sound', 'faulty', 'lossy'] }

/**
 * Where a position was reached by the rules alone. Of what came after a gap a reader is not certain, and says so; what
 * it goes by after ten silent seconds is its best guess, until the next message says more.
 */
const agreement: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'fleet.agreement',
  says: 'instances that have read the same log as far, and are certain of it, are in the same state, byte for byte',
  cases: fleets(scripts),
  story: fleetStory,
  async holds(script) {
    const played = await playFleet(script)
    await healAndQuiet(played)
    const byPosition = new Map<string, { readonly bytes: string; readonly instance: TestedInstance }>()
    let compared = 0
    for (const instance of played.fleet.instances) {
      for (const { breaker, epoch, seq, state, provisional, settled } of instance.readings) {
        if (provisional || settled) continue
        const place = `${breaker} at ${seq} of log ${epoch}`
        const known = byPosition.get(place)
        if (known === undefined) byPosition.set(place, { bytes: bytesOf(state), instance })
        else {
          assert.equal(bytesOf(state), known.bytes, `${instance.name} and ${known.instance.name} differ in ${place}`)
          compared++
        }
      }
      // What was sent to a log that is gone may land in the next one, and says what its author knew of the former.
      if (played.epochs.length > 1) continue
      assert.equal(instance.replica.health().divergences, 0, `${instance.name} computed something else than an author`)
    }
    return compared > 2 ? 'held' : 'notExercised'
  },
}))

const prefix: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'fleet.prefix',
  says: 'what an instance has applied is a prefix of what the log has accepted, in its order; it knows where it has missed something',
  cases: fleets(scripts),
  story: fleetStory,
  async holds(script) {
    const played = await playFleet(script)
    await healAndQuiet(played)
    const logs = played.epochs.map(readWhole)
    let applied = 0
    for (const { name, readings } of played.fleet.instances) {
      let last = { epoch: 0, seq: 0, provisional: false }
      for (const reading of readings) {
        const { epoch, seq, state, event, provisional, settled } = reading
        const log = logs[epoch - 1] ?? []
        const from = epoch === last.epoch ? last.seq : 0
        assert.ok(epoch >= last.epoch, `${name} went back from log ${last.epoch} to ${epoch}`)
        assert.ok(seq >= from, `${name} went back from ${from} to ${seq}`)
        const mayHaveMissed = provisional || settled || last.provisional
        last = { epoch, seq, provisional: provisional || settled }
        const upTo = log.findLast((entry) => entry.seq <= seq)
        if (upTo === undefined || provisional || settled) continue
        assert.equal(bytesOf(state), bytesOf(upTo.position.state), `${name} at ${seq} is not where the log is`)
        // One event at a time, none left out: what came between the last one and this one was accepted by nobody.
        if (event === undefined) continue
        assert.deepEqual([event, upTo.verdict.accepted], [upTo.id, true])
        const between = log.filter((entry) => entry.seq > from && entry.seq < seq)
        assert.ok(
          mayHaveMissed || from === 0 || between.every(({ verdict }) => !verdict.accepted),
          `${name} left something out before ${seq}`,
        )
        applied++
      }
    }
    return applied > 2 ? 'held' : 'notExercised'
  },
}))

/**
 * Of a log that lost messages: once there is a next event, since nobody can know of a last one that never came, and ten
 * seconds later, since it is uncertain to whoever missed what came before. A newcomer, who has read everything that is
 * retained, says it.
 */
const convergence: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'fleet.convergence',
  says: 'once everything is healed and quiet, every instance is where the whole log leads, and lets through what that allows',
  cases: fleets(scripts),
  story: fleetStory,
  async holds(script) {
    const played = await playFleet(script)
    await healAndQuiet(played)
    if (script.log === 'lossy') await oneMoreEvent(played)
    const end = readWhole(played.epochs.at(-1) ?? []).at(-1)?.position ?? unread
    const alive = played.fleet.instances.filter((instance) => instance.alive)
    for (const { name, replica, breaker } of alive) {
      assert.ok(replica.linked, `${name} is not linked`)
      const { state, seq, provisional } = replica.position(fleetBreaker)
      assert.equal(provisional, false, `${name} is uncertain`)
      assert.deepEqual([seq, bytesOf(state)], [end.seq, bytesOf(end.state)], `${name} is elsewhere`)
      const { mode, scope } = breaker(fleetBreaker).state
      // A minority under a quorum, and whoever could not tell the others, is stricter by itself.
      if (scope === 'fleet') assert.equal(mode, end.state.mode)
      else
        assert.ok(
          end.state.mode === 'closed' && mode !== 'closed',
          `${name} is ${mode} where the fleet is ${end.state.mode}`,
        )
    }
    return end.seq > 0 && alive.length > 1 ? 'held' : 'notExercised'
  },
}))

const oneWinner: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'fleet.one-winner',
  says: 'of all events that were stored on the same predecessor one counts; an author whose answer was lost learns by its id what became of its event',
  cases: fleets({ logs: ['faulty', 'faulty', 'lossy'], crashes: false }),
  async holds(script) {
    const played = await playFleet(script)
    await healAndQuiet(played)
    let races = 0
    for (const log of played.epochs.map(readWhole)) {
      const winners = new Map<number, string>()
      for (const { id, expected, verdict } of log) {
        if (!verdict.accepted) continue
        assert.equal(winners.get(expected), undefined, `two events count after ${expected}`)
        winners.set(expected, id)
      }
      const ids = log.map(({ id }) => id)
      assert.equal(new Set(ids).size, ids.length, 'an event is stored twice')
      // Whatever an instance proposed and the log has accepted, it does not propose again: no state is reached twice.
      const terms = log.flatMap(({ verdict }) =>
        verdict.accepted && verdict.event.to === 'open' ? [verdict.event.term] : [],
      )
      assert.equal(new Set(terms).size, terms.length, 'the fleet opened twice in a term')
      races += log.filter(({ verdict }) => !verdict.accepted && verdict.why === 'lostRace').length
    }
    return races > 0 || played.calls.length > 20 ? 'held' : 'notExercised'
  },
}))

const codec: Law<LogScript> = onSubject(({ logs }) => ({
  name: 'fleet.codec',
  says: 'an event comes out as it went in; a type or version that is not known is taken by its `after`, everywhere alike',
  cases: logs(),
  holds(script) {
    const { messages, positions, verdicts } = writeLog(script)
    let unknown = 0
    verdicts.forEach((verdict, at) => {
      const message = messages[at]
      if (verdict.event === undefined || message === undefined) return
      const event = decodeEvent(message.data)
      assert.deepEqual(decodeEvent(encodeEvent(event)), event)
      if (event.fact !== undefined) assert.deepEqual(encodeEvent(event), message.data, 'the bytes are the same again')
      if (event.fact !== undefined) return
      if (!verdict.accepted) return assert.notEqual(verdict.why, 'forbidden', 'nobody can know that it is forbidden')
      unknown++
      assert.deepEqual(positions[at]?.state, resolveAfter(event.after, message))
    })
    return unknown > 0 ? 'held' : 'notExercised'
  },
}))

/** The laws of a fleet whose instances share a log. */
export const fleetLaws: Readonly<Record<FleetLawName, Law>> = {
  agreement,
  prefix,
  convergence,
  oneWinner,
  commutes,
  codec,
  quorum,
}

interface Entry {
  readonly seq: number
  readonly id: string
  readonly expected: number
  readonly verdict: FoldVerdict
  readonly position: Position
}

/** The whole log, read by somebody who has missed nothing. */
function readWhole(messages: readonly StoredMessage[]): readonly Entry[] {
  let position: Position = unread
  return messages.map((message) => {
    const folded = fold(position, message)
    position = folded.position
    return { seq: message.seq, id: message.id, expected: message.expected, ...folded }
  })
}

async function oneMoreEvent({ clock, fleet }: PlayedFleet): Promise<void> {
  const ordered = fleet.join().breaker(fleetBreaker).forceOpen({ by: 'an operator', reason: 'to be heard' })
  await clock.runUntil(ordered)
  await clock.advanceBy(silenceMs * 1.5)
}
