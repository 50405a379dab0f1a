import { expect, test } from 'vitest'
import { laws } from '../../src/testing.ts'

/** Names that users skip, replay and report by, so that none goes away or changes unseen. */
const named = {
  breaker: 'total pure stale suffix after oracle refuses path generation liveness bounded',
  fleet: 'agreement prefix convergence one-winner commutes codec quorum',
  autonomy: 'tighten-first loosen-by-log unlinked reconcile flaps',
  probe: 'one-lease one-result expired holder-dies released',
  retry: 'attempts delays deadline budget final retry-after aborted',
  limiter: 'never-over all-or-nothing deadline recovers clock-back truthful',
  deadLetters: 'one-outcome kill durable-first redrive-once redis-down poison index',
  cache: 'fresh isolated one-load bounded-staleness types',
  pipeline: 'order bounded clean terminal',
  safeCall: 'never-throws hooks',
}

test('every law is there under the name that it has always had, and in the group that the name says', () => {
  const given = Object.entries(laws).flatMap(([group, of]) => Object.values(of).map(({ name }) => ({ group, name })))
  const expected = Object.entries(named).flatMap(([group, names]) =>
    names.split(' ').map((name) => ({ group, name: `${group}.${name}` })),
  )
  const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1)
  expect(given.toSorted(byName)).toEqual(expected.toSorted(byName))
})
