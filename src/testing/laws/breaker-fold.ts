import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { resolveAfter } from '../../machines/breaker-events.ts'
import { evolve } from '../../machines/breaker-machine.ts'
import type { FleetState, Mode } from '../../machines/fleet-state.ts'
import { fold, foldRetained, inForce, unread, type Position } from '../../machines/fold.ts'
import type { Law } from '../law.ts'
import { deepFreeze, withoutClockOrChance } from '../purity.ts'
import { noiseMessage, noises, type Noise } from '../log-noise.ts'
import { assertReadableState, assertValidState } from '../valid-state.ts'
import { writeLog, type LogScript } from '../written-log.ts'
import { onSubject } from './on-subject.ts'

/** `breaker.total`. Where authors are honest the result is one that the table leads to; strangers may write anything. */
export const total: Law<{ readonly script: LogScript; readonly noise: readonly Noise[] }> = onSubject(({ logs }) => ({
  name: 'breaker.total',
  says: 'the fold never throws, and its result is valid',
  cases: fc.record({ script: logs({ stepsMax: 10 }), noise: fc.array(noises, { maxLength: 8 }) }),
  holds({ script, noise }) {
    const { messages, positions } = writeLog(script)
    for (const { state } of positions) assertValidState(state)
    let position = positions.at(-1) ?? unread
    let adopted = 0
    for (const of of noise) {
      const message = noiseMessage(of, messages, position)
      const folded = fold(position, message)
      const seq = Math.max(position.seq, message.seq)
      assert.equal(folded.position.seq, seq, 'the position always advances, and never goes back')
      position = folded.position
      adopted += folded.verdict.accepted ? 1 : 0
      assertReadableState(position.state)
      assertReadableState(inForce(position))
    }
    return adopted > 0 ? 'held' : 'notExercised'
  },
}))

/** `breaker.pure` */
export const pure: Law<LogScript> = onSubject(({ logs }) => ({
  name: 'breaker.pure',
  says: 'the fold changes none of what it is given, asks no clock and no chance, and gives the same each time',
  cases: logs({ stepsMax: 12 }),
  holds(script) {
    const { messages, positions } = writeLog(script)
    withoutClockOrChance(() => {
      messages.forEach((message, at) => {
        const before = deepFreeze(positions[at - 1] ?? unread)
        const bytes = [...message.data]
        const results = [fold(before, deepFreeze(message)), fold(before, message)]
        assert.deepEqual(results[0], results[1])
        assert.deepEqual(results[0]?.position, positions[at])
        assert.deepEqual([...message.data], bytes)
      })
    })
    return messages.length > 0 ? 'held' : 'notExercised'
  },
}))

/** `breaker.stale` */
export const stale: Law<{ readonly script: LogScript; readonly repeats: readonly number[] }> = onSubject(
  ({ logs }) => ({
    name: 'breaker.stale',
    says: 'messages that come again, and events that rest on an old view or come out of their time, change nothing',
    cases: fc.record({ script: logs(), repeats: fc.array(fc.nat(99), { minLength: 1, maxLength: 10 }) }),
    holds({ script, repeats }) {
      const { messages, positions, verdicts } = writeLog(script)
      let position: Position = unread
      messages.forEach((message, at) => {
        position = fold(position, message).position
        assert.deepEqual(position, positions[at])
        for (const repeat of repeats) {
          const again = messages[repeat % (at + 1)]
          if (again === undefined) continue
          const repeated = fold(position, again)
          assert.equal(repeated.position, position)
          assert.equal(repeated.verdict.accepted, false)
        }
      })
      verdicts.forEach((verdict, at) => {
        if (!verdict.accepted) return assert.equal(positions[at]?.state, (positions[at - 1] ?? unread).state)
        const { notBefore, validUntil } = verdict.event
        const storedAt = messages[at]?.at ?? NaN
        assert.ok(storedAt >= (notBefore ?? 0) && storedAt <= validUntil, `stored at ${storedAt}, out of its window`)
      })
      return verdicts.some(({ accepted }) => !accepted) ? 'held' : 'notExercised'
    },
  }),
)

/** `breaker.suffix` */
export const suffix: Law<{ readonly script: LogScript; readonly cut: number }> = onSubject(({ logs }) => ({
  name: 'breaker.suffix',
  says: 'whatever suffix of the log is retained, it gives the state of the whole, or says that it is uncertain',
  cases: fc.record({ script: logs(), cut: fc.nat(99) }),
  holds({ script, cut }) {
    const { messages, positions } = writeLog(script)
    if (messages.length < 2) return 'notExercised'
    const retained = messages.slice(1 + (cut % (messages.length - 1)))
    // That many are retained at most, so that the reader knows that there may have been more before.
    const atOnce = foldRetained(unread, retained, retained.length)
    const whole = positions.at(-1) ?? unread
    assert.equal(atOnce.seq, whole.seq)
    if (atOnce.provisional) return 'notExercised'
    assert.equal(bytesOf(atOnce.state), bytesOf(whole.state))
    assert.equal(bytesOf(inForce(atOnce)), bytesOf(whole.state))
    return 'held'
  },
}))

/** `breaker.after` */
export const after: Law<LogScript> = onSubject(({ logs }) => ({
  name: 'breaker.after',
  says: 'what an event says of the state before it and after it is what every reader computes',
  cases: logs({ faults: ['behind', 'secondWinner', 'late', 'garbage', 'useless'] }),
  holds(script) {
    const { messages, positions, verdicts } = writeLog(script)
    let accepted = 0
    verdicts.forEach((verdict, at) => {
      const message = messages[at]
      if (!verdict.accepted || message === undefined || verdict.event.fact === undefined) return
      const { event } = verdict
      accepted++
      assert.equal(verdict.divergence, undefined)
      assert.equal(bytesOf(event.before), bytesOf((positions[at - 1] ?? unread).state))
      const next = evolve(event.before, { fact: verdict.event.fact, id: message.id, by: event.by, at: message.at })
      assert.equal(bytesOf(next), bytesOf(positions[at]?.state))
      assert.deepEqual(resolveAfter(event.after, message), next)
      assert.ok(next?.lease === undefined || next.lease.attempt === next.attempts, 'a token that is not the last')
      assert.deepEqual([event.from, event.to, event.term], [event.before.mode, next?.mode, next?.term])
    })
    return accepted > 1 ? 'held' : 'notExercised'
  },
}))

/** `breaker.path` */
export const path: Law<LogScript> = onSubject(({ logs }) => ({
  name: 'breaker.path',
  says: 'open reaches closed only through half-open, or by an operator; and terms never fall',
  cases: logs({ faults: ['behind', 'secondWinner', 'late', 'early', 'garbage', 'forged', 'useless'] }),
  holds(script) {
    const { positions, verdicts } = writeLog(script)
    let before: FleetState = unread.state
    let hasOpened = false
    positions.forEach(({ state }, at) => {
      const verdict = verdicts[at]
      const fact = verdict?.accepted ? verdict.event.fact?.type : undefined
      assert.ok(state.term >= before.term, `the term fell from ${before.term} to ${state.term}`)
      hasOpened ||= state.mode === 'open'
      // A new log is told where the old one stood; that is no change of the fleet's mind.
      if (fact !== 'restored' && state.mode !== before.mode)
        assert.ok(paths[before.mode].includes(state.mode), `${before.mode} went to ${state.mode} by ${fact}`)
      before = state
    })
    return hasOpened ? 'held' : 'notExercised'
  },
}))

/** Where each mode may lead. */
const paths: Readonly<Record<Mode, readonly Mode[]>> = {
  closed: ['open', 'forcedOpen', 'disabled'],
  open: ['halfOpen', 'forcedOpen', 'disabled'],
  halfOpen: ['open', 'closed', 'forcedOpen', 'disabled'],
  forcedOpen: ['closed', 'disabled'],
  disabled: ['closed', 'forcedOpen'],
}

/** Equal states are equal bytes. */
export function bytesOf(state: FleetState | undefined): string {
  return JSON.stringify(state)
}
