import { strict as assert } from 'node:assert'
import { systemClock } from '../../ports/clock.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { RedriveWork } from '../../ports/redrive-jobs.ts'
import {
  bounds,
  idsOf,
  jobOf,
  letter,
  type LetterStoreClause,
  nextOf,
  one,
  plan,
  takeFrom,
} from './letter-store-clause.ts'

/** What the port says of redrives. Leases are short where they are to end. */
export const jobClauses: readonly LetterStoreClause[] = [
  {
    says: 'a job is there once it was started, the same after a second start, and is listed newest first',
    async holds({ jobs }) {
      const first = plan('j1', { ratePerSecond: 2.5, of: { ids: ['acme.a', 'acme.b'] }, total: 2 })
      await jobs.start(first)
      const started = await jobs.get(first.id)
      const counts = { done: 0, delivered: 0, failed: 0, parked: 0, skipped: 0, fed: 0 }
      assert.deepEqual(started, { ...first, ...counts, state: 'running', fedAll: false })
      await jobs.start({ ...first, total: 9 })
      assert.deepEqual(await jobs.get(first.id), started)
      await jobs.start(plan('j2', { startedAt: first.startedAt + 1 }))
      assert.deepEqual(
        (await jobs.list('acme')).map(({ id }) => id),
        ['acme.j2', 'acme.j1'],
      )
      assert.deepEqual(await jobs.list('nobody'), [])
      assert.equal(await jobs.get('acme.none'), undefined)
      assert.equal(await jobs.take('acme.none', { by: 'w', count: 1, leaseMs: 1_000 }), undefined)
    },
  },
  {
    says: 'a letter that is given back for a while is taken when that is over, and others meanwhile',
    async holds(store) {
      const job = await jobOf(store, 'j', ['a', 'b'])
      const { turn } = one((await takeFrom(store, job, 1)).work)
      await store.jobs.giveBack(job, turn, 400)
      assert.deepEqual(idsOf((await takeFrom(store, job, 2)).work), ['acme.b'])
      let taken: readonly string[] = []
      for (const endAt = Date.now() + 5_000; taken.length === 0 && Date.now() < endAt; await systemClock.sleep(20))
        taken = idsOf((await takeFrom(store, job, 2)).work)
      assert.deepEqual(taken, ['acme.a'])
    },
  },
  {
    says: 'jobs that are not over are found, however many newer ones are',
    async holds({ jobs }) {
      const { startedAt } = plan('old')
      await jobs.start(plan('old'))
      await jobs.pause('acme.old', 60_000)
      for (let n = 1; n <= 1_001; n++) {
        await jobs.start(plan(`j${n}`, { startedAt: startedAt + n }))
        await jobs.cancel(`acme.j${n}`)
      }
      await jobs.start(plan('new', { startedAt: startedAt + 2_000 }))
      const idsIn = async (underWay: boolean): Promise<readonly string[]> =>
        (await jobs.list('acme', { underWay })).map(({ id }) => id)
      assert.deepEqual(await idsIn(true), ['acme.new', 'acme.old'])
      const all = await idsIn(false)
      assert.deepEqual([all.length, all[0], all[1]], [100, 'acme.new', 'acme.j1001'])
    },
  },
  {
    says: 'letters are fed once for each cursor, and `total` is what was fed once all are in',
    async holds(store) {
      const { jobs } = store
      for (const id of ['a', 'b', 'c']) await store.add(letter(id), bounds)
      const { id } = plan('j')
      await jobs.start(plan('j'))
      assert.equal(await jobs.feed(id, 'early', ['acme.x'], undefined), false)
      assert.equal(await jobs.feed(id, undefined, ['acme.a', 'acme.b'], 'c1'), true)
      assert.equal(await jobs.feed(id, undefined, ['acme.a', 'acme.b'], 'c1'), false)
      const half = await jobs.get(id)
      assert.deepEqual([half?.fed, half?.fedAll, half?.cursor, half?.total], [2, false, 'c1', 100])
      assert.equal(await jobs.feed(id, 'c1', ['acme.c'], undefined), true)
      assert.equal(await jobs.feed(id, 'c1', ['acme.c'], undefined), false)
      const whole = await jobs.get(id)
      assert.deepEqual([whole?.fed, whole?.fedAll, whole?.cursor, whole?.total], [3, true, undefined, 3])
      assert.deepEqual(idsOf((await takeFrom(store, id, 10)).work), ['acme.a', 'acme.b', 'acme.c'])
    },
  },
  {
    says: 'a job in which there is nothing to do is done as soon as that is known',
    async holds({ jobs }) {
      await jobs.start(plan('j'))
      await jobs.feed('acme.j', undefined, [], undefined)
      const job = await jobs.get('acme.j')
      assert.deepEqual([job?.state, job?.total, job?.done], ['done', 0, 0])
      assert.equal(await jobs.cancel('acme.j'), false)
    },
  },
  {
    says: 'a letter is in one pair of hands: nobody else takes it, of this job or of another, which skips it',
    async holds(store) {
      const job = await jobOf(store, 'j1', ['a', 'b'])
      const other = await jobOf(store, 'j2', ['a'])
      assert.deepEqual(idsOf((await takeFrom(store, job, 1)).work), ['acme.a'])
      const second = await takeFrom(store, other, 5)
      assert.deepEqual([second.work, second.skipped], [[], ['acme.a']])
      assert.deepEqual([second.job.state, second.job.skipped, second.job.done], ['done', 1, 1])
      assert.deepEqual(idsOf((await takeFrom(store, job, 5)).work), ['acme.b'])
      assert.deepEqual((await takeFrom(store, job, 5)).work, [])
    },
  },
  {
    says: 'when a lease is over the letter is taken by the next, and whoever had it settles and renews nothing',
    async holds(store) {
      const { jobs } = store
      const job = await jobOf(store, 'j', ['a'])
      const stale = one((await takeFrom(store, job, 1, 30)).work)
      const fresh = one(await untilTaken(store, job))
      assert.equal(fresh.letter.header.id, 'acme.a')
      assert.notEqual(fresh.turn, stale.turn)
      assert.deepEqual(await jobs.renew(job, [stale.turn, fresh.turn], 60_000), [fresh.turn])
      assert.equal(await jobs.settle(job, stale.turn, 'delivered'), 'lost')
      assert.equal(await jobs.settle(job, stale.turn, 'failed', nextOf(stale.letter)), 'lost')
      await jobs.giveBack(job, stale.turn)
      assert.deepEqual((await takeFrom(store, job, 1)).work, [])
      assert.deepEqual(await store.get('acme.a'), fresh.letter)
      const settled = await jobs.settle(job, fresh.turn, 'delivered')
      assert.ok(typeof settled === 'object')
      assert.deepEqual([settled.state, settled.done, settled.delivered], ['done', 1, 1])
      assert.equal(await jobs.settle(job, fresh.turn, 'delivered'), 'lost')
    },
  },
  {
    says: 'a lease that is renewed goes on, and one that is over but was taken by nobody can still be settled',
    async holds(store) {
      const { jobs } = store
      const job = await jobOf(store, 'j', ['a', 'b', 'c'])
      const [renewed, ...others] = (await takeFrom(store, job, 3, 30)).work
      assert.deepEqual(await jobs.renew(job, [renewed?.turn ?? '', 'nonsense'], 60_000), [renewed?.turn])
      const again = one(await untilTaken(store, job))
      const left = one(others.filter(({ letter: { header } }) => header.id !== again.letter.header.id))
      assert.equal(typeof (await jobs.settle(job, left.turn, 'delivered')), 'object')
      assert.deepEqual((await takeFrom(store, job, 3)).work, [])
    },
  },
  {
    says: 'what is given back is taken again after the rest, also those still to be fed, and counts for nothing',
    async holds(store) {
      for (const id of ['a', 'b', 'c']) await store.add(letter(id), bounds)
      await store.jobs.start(plan('j'))
      const job = 'acme.j'
      await store.jobs.feed(job, undefined, ['acme.a', 'acme.b'], 'c1')
      const { turn } = one((await takeFrom(store, job, 1)).work)
      await store.jobs.giveBack(job, turn)
      assert.equal(await store.jobs.settle(job, turn, 'delivered'), 'lost')
      assert.deepEqual(idsOf((await takeFrom(store, job, 3)).work), ['acme.b'])
      await store.jobs.feed(job, 'c1', ['acme.c'], undefined)
      const { work, job: after } = await takeFrom(store, job, 3)
      assert.deepEqual([idsOf(work), after.done], [['acme.c', 'acme.a'], 0])
    },
  },
  {
    says: 'every letter has its turn before any has another, whatever is given back again and again, each for a moment',
    async holds(store) {
      const ids = Array.from({ length: 25 }, (_, n) => `n${n}`)
      const job = await jobOf(store, 'j', ids)
      const rounds: string[] = []
      for (const endAt = Date.now() + 10_000; rounds.length < 75 && Date.now() < endAt; await systemClock.sleep(1)) {
        const { work } = await takeFrom(store, job, 3)
        for (const { turn } of work) await store.jobs.giveBack(job, turn, 2)
        rounds.push(...idsOf(work))
      }
      assert.ok(rounds.length >= 75, 'what was given back is not taken again')
      for (const start of [0, 25, 50]) assert.equal(new Set(rounds.slice(start, start + 25)).size, 25)
    },
  },
  {
    says: 'settling puts the letter in its next version, or removes it for good, and counts it once',
    async holds(store) {
      const { jobs } = store
      const job = await jobOf(store, 'j', ['a', 'b', 'c'])
      const [a, b, c] = (await takeFrom(store, job, 3)).work
      if (!a || !b || !c) return assert.fail('three letters were to be taken')
      await jobs.settle(job, a.turn, 'delivered')
      assert.deepEqual(await store.add(letter('a'), bounds), { status: 'gone' })
      const failed = nextOf(b.letter, { errorType: 'timeout', redriveCount: 1 })
      await jobs.settle(job, b.turn, 'failed', failed)
      assert.deepEqual(await store.get('acme.b'), failed)
      assert.equal((await store.page({ errorType: 'timeout' }, { limit: 10 })).items.length, 1)
      const parked = nextOf(c.letter, { parked: true, redriveCount: 5 })
      const end = await jobs.settle(job, c.turn, 'parked', parked)
      assert.ok(typeof end === 'object')
      const { state, done, delivered, failed: failures, parked: aside, skipped } = end
      assert.deepEqual([state, done, delivered, failures, aside, skipped], ['done', 3, 1, 1, 1, 0])
      assert.equal((await store.count({ parked: true })).count, 1)
    },
  },
  {
    says: 'a letter that has changed meanwhile is not overwritten, and one that was removed does not come back',
    async holds(store) {
      const { jobs } = store
      const job = await jobOf(store, 'j', ['a', 'b'])
      const [a, b] = (await takeFrom(store, job, 2)).work
      if (!a || !b) return assert.fail('two letters were to be taken')
      const edited = nextOf(a.letter, { channel: 'slack' })
      await store.replace(edited, 1)
      assert.equal(await jobs.settle(job, a.turn, 'failed', nextOf(a.letter)), 'changed')
      assert.deepEqual(await store.get('acme.a'), edited)
      assert.equal(typeof (await jobs.settle(job, a.turn, 'failed', nextOf(edited))), 'object')
      await store.remove(['acme.b'])
      assert.equal(typeof (await jobs.settle(job, b.turn, 'failed', nextOf(b.letter))), 'object')
      assert.equal(await store.get('acme.b'), undefined)
      assert.equal((await jobs.get(job))?.state, 'done')
    },
  },
  {
    says: 'letters that are gone or parked are skipped, unless the plan wants the parked or names them',
    async holds(store) {
      const filtered = await jobOf(store, 'j1', ['a', 'b', 'c'])
      const a = await store.get('acme.a')
      if (a !== undefined) await store.replace(nextOf(a, { parked: true }), 1)
      await store.remove(['acme.b'])
      const named = await jobOf(store, 'j2', ['a'], { of: { ids: ['acme.a'] } })
      const wanted = await jobOf(store, 'j3', ['a'], { of: { filter: { organization: 'acme', parked: true } } })
      const { work, skipped } = await takeFrom(store, filtered, 5)
      assert.deepEqual([idsOf(work), skipped], [['acme.c'], ['acme.a', 'acme.b']])
      const { turn } = one((await takeFrom(store, named, 5)).work)
      await store.jobs.giveBack(named, turn)
      assert.deepEqual(idsOf((await takeFrom(store, wanted, 5)).work), ['acme.a'])
    },
  },
  {
    says: 'a turn whose lease was over is not renewed once another job has its letter',
    async holds(store) {
      const late = await jobOf(store, 'late', ['a'])
      const { turn } = one((await takeFrom(store, late, 1, 5)).work)
      const [other, work] = await untilAnotherHas(store, 'a')
      assert.deepEqual(await store.jobs.renew(late, [turn], 60_000), [])
      assert.equal(await store.jobs.settle(late, turn, 'delivered'), 'lost')
      assert.equal(typeof (await store.jobs.settle(other, work.turn, 'delivered')), 'object')
    },
  },
  {
    says: 'the rate gives each letter its slot, over all takings, and none in the past',
    async holds(store) {
      const ids = Array.from({ length: 12 }, (_, n) => `n${n}`)
      const job = await jobOf(store, 'j', ids, { ratePerSecond: 2 })
      const first = await takeFrom(store, job, 4)
      const second = await takeFrom(store, job, 4)
      const due = [...first.work, ...second.work].map(({ dueInMs }) => dueInMs)
      for (const [n, dueInMs] of due.entries()) {
        const expected = n * 500
        assert.ok(dueInMs <= expected + 1 && dueInMs > expected - 400 && dueInMs >= 0, `${dueInMs} of ${expected}`)
      }
      const unbounded = await jobOf(store, 'j2', ['x', 'y'])
      assert.deepEqual(
        (await takeFrom(store, unbounded, 2)).work.map(({ dueInMs }) => dueInMs),
        [0, 0],
      )
    },
  },
  {
    says: 'of a job that is paused nobody takes, until that is over; of one that is cancelled never, but what is out is settled',
    async holds(store) {
      const { jobs } = store
      const job = await jobOf(store, 'j', ['a', 'b', 'c'])
      const { turn } = one((await takeFrom(store, job, 1)).work)
      await jobs.pause(job, 60_000)
      const paused = await takeFrom(store, job, 1)
      assert.deepEqual([paused.work, paused.job.state], [[], 'paused'])
      assert.ok((paused.job.pausedUntilAt ?? 0) > Date.now() + 30_000)
      await jobs.pause(job, 20)
      const [next] = await untilTaken(store, job)
      assert.equal(next?.letter.header.id, 'acme.b')
      assert.equal((await jobs.get(job))?.state, 'running')
      assert.equal(await jobs.cancel(job), true)
      assert.deepEqual((await takeFrom(store, job, 1)).work, [])
      const settled = await jobs.settle(job, turn, 'delivered')
      assert.ok(typeof settled === 'object')
      assert.deepEqual([settled.state, settled.delivered, settled.done], ['cancelled', 1, 1])
      assert.equal(await jobs.feed(job, undefined, ['acme.x'], undefined), false)
    },
  },
]

/** A job that has the letter, as soon as no other one has. */
async function untilAnotherHas(store: LetterStore, id: string): Promise<readonly [job: string, work: RedriveWork]> {
  for (let n = 0; n < 500; n += 1) {
    const job = await jobOf(store, `other${n}`, [id])
    const [work] = (await takeFrom(store, job, 1)).work
    if (work !== undefined) return [job, work]
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return assert.fail('the lease is never over')
}

/** Takes one as soon as there is one. */
async function untilTaken(store: LetterStore, job: string, deadlineMs = 5_000) {
  const until = performance.now() + deadlineMs
  for (;;) {
    const { work } = await takeFrom(store, job, 1)
    if (work.length > 0) return work
    assert.ok(performance.now() < until, `nothing to take within ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
