import { strict as assert } from 'node:assert'
import { votesMax, type FleetState, type Mode } from '../machines/fleet-state.ts'

/** Throws where a state is none that the machine's table can lead to. */
export function assertValidState(state: FleetState): void {
  const { mode, term, failedRecoveries, passes, attempts, votes, retryAt, lease, order } = state
  for (const [name, count] of Object.entries({ term, failedRecoveries, passes, attempts }))
    assert.ok(Number.isSafeInteger(count) && count >= 0, `${name} is ${count}`)
  assert.ok(votes.length <= votesMax, `${votes.length} votes are kept`)
  assert.equal(new Set(votes.map(({ voter }) => voter)).size, votes.length, 'a voter has two votes')
  assert.equal(retryAt !== undefined, mode === 'open', `${mode} with retryAt ${retryAt}`)
  assert.ok(retryAt === undefined || Number.isFinite(retryAt), `retryAt is ${retryAt}`)
  assert.equal(order !== undefined, mode === 'forcedOpen' || mode === 'disabled', `${mode} with an order, or without`)
  if (mode === 'closed') assert.equal(failedRecoveries, 0, 'closed with failed recoveries')
  else assert.equal(votes.length, 0, `${mode} with votes`)
  if (mode !== 'halfOpen') {
    assert.equal(lease, undefined, `${mode} with a lease`)
    assert.equal(passes, 0, `${mode} with passes`)
    return
  }
  if (lease === undefined) return
  assert.ok(lease.fence !== '' && lease.holder !== '', 'a lease of nobody')
  assert.ok(lease.attempt >= 1 && attempts >= 1, 'a lease that was never claimed')
  assert.ok(Number.isFinite(lease.until), `the lease ends at ${lease.until}`)
}

/** Throws where a state, which a stranger may have written, is none that an instance can go by. */
export function assertReadableState({ mode, term, attempts, votes, retryAt, lease, order }: FleetState): void {
  assert.ok(modes.includes(mode), `the mode is ${mode}`)
  assert.ok(Number.isSafeInteger(term) && Number.isSafeInteger(attempts), `term ${term}, attempts ${attempts}`)
  for (const moment of [retryAt, lease?.until, order?.until, ...votes.map(({ at }) => at)])
    assert.ok(moment === undefined || Number.isFinite(moment), `a moment is ${moment}`)
  assert.ok(votes.length <= votesMax, `${votes.length} votes are kept`)
}

const modes: readonly Mode[] = ['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled']
