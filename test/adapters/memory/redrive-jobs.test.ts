import { describe, expect, test } from 'vitest'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import type { LetterSnapshot, RestorableLetters } from '../../../src/ports/letter-store.ts'
import {
  bounds,
  idsOf,
  jobOf,
  letter,
  nextOf,
  one,
  plan,
  takeFrom,
} from '../../../src/testing/port-contracts/letter-store-clause.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

const dayMs = 86_400_000

function storeOnVirtualClock(): { readonly clock: VirtualClock; readonly store: RestorableLetters } {
  const clock = virtualClock({ startAt: 1_000_000 })
  return { clock, store: memoryLetters({ clock }) }
}

describe('a job in memory', () => {
  test('is forgotten a day after its last change, and lets go of its letters then', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a'])
    await clock.advanceBy(10)
    const { turn } = one((await takeFrom(store, job, 1, 10 * dayMs)).work)
    await clock.advanceBy(dayMs)
    expect(await store.jobs.get(job)).toMatchObject({ state: 'running' })
    await clock.advanceBy(1)
    expect(await store.jobs.get(job)).toBeUndefined()
    expect(await store.jobs.list('acme')).toEqual([])
    expect(await store.jobs.settle(job, turn, 'delivered')).toBe('lost')
    const other = await jobOf(store, 'other', ['a'])
    expect(idsOf((await takeFrom(store, other, 1)).work)).toEqual(['acme.a'])
  })

  test('is not forgotten while somebody keeps a letter of it, however long that is not due', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a', 'b'], { ratePerSecond: 1 / 200_000 })
    const [a, b] = (await takeFrom(store, job, 2)).work
    if (!a || !b) return expect.unreachable()
    expect(b.dueInMs).toBeGreaterThan(2 * dayMs)
    await store.jobs.settle(job, a.turn, 'delivered')
    for (let hour = 0; hour < 56; hour += 1) {
      await clock.advanceBy(3_600_000)
      expect(await store.jobs.renew(job, [b.turn], 4_000_000)).toEqual([b.turn])
    }
    expect(await store.jobs.settle(job, b.turn, 'delivered')).toMatchObject({ state: 'done', delivered: 2 })
  })

  test('that is listed, or another that starts, shows whether it is forgotten', async () => {
    const { clock, store } = storeOnVirtualClock()
    await store.jobs.start(plan('old'))
    await clock.advanceBy(dayMs)
    await store.jobs.start(plan('new'))
    expect((await store.jobs.list('acme')).map(({ id }) => id)).toEqual(['acme.new', 'acme.old'])
    await clock.advanceBy(1)
    expect((await store.jobs.list('acme')).map(({ id }) => id)).toEqual(['acme.new'])
  })

  test('of 10,000 that is over and has no letter out makes room for one more; else there is none', async () => {
    const { store } = storeOnVirtualClock()
    const first = await jobOf(store, 'first', ['a'])
    const { turn } = one((await takeFrom(store, first, 1)).work)
    await store.jobs.cancel(first)
    for (let n = 1; n < 10_000; n += 1) await store.jobs.start(plan(`j${n}`))
    const refusal: unknown = await store.jobs.start(plan('more')).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ bound: 'jobsMax', max: 10_000 })
    expect(refusal).toHaveProperty('message', expect.stringMatching(/^redrives in memory: /) as unknown)
    await store.jobs.start(plan('j1'))
    await store.jobs.giveBack(first, turn)
    await store.jobs.start(plan('more'))
    expect(await store.jobs.get(first)).toBeUndefined()
    expect(await store.jobs.get('acme.j1')).toMatchObject({ state: 'running' })
    await expect(store.jobs.start(plan('yet more'))).rejects.toMatchObject({ bound: 'jobsMax' })
  })
})

describe('a lease in memory', () => {
  test('ends at its time, and what is given back for a while comes at its own', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a', 'b'])
    const [a, b] = (await takeFrom(store, job, 2, 1_000)).work
    await store.jobs.giveBack(job, b?.turn ?? '', 400)
    await clock.advanceBy(399)
    expect((await takeFrom(store, job, 2)).work).toEqual([])
    await clock.advanceBy(1)
    expect(idsOf((await takeFrom(store, job, 2)).work)).toEqual(['acme.b'])
    await clock.advanceBy(599)
    expect((await takeFrom(store, job, 2)).work).toEqual([])
    await clock.advanceBy(1)
    const again = one((await takeFrom(store, job, 2)).work)
    expect([again.letter.header.id, again.turn === a?.turn]).toEqual(['acme.a', false])
    expect(await store.jobs.settle(job, a?.turn ?? '', 'delivered')).toBe('lost')
  })

  test('that was given back is followed by others in the order of their times', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a', 'b', 'c'])
    const giveBack = async (forMs: number): Promise<string> => {
      const { turn, letter: given } = one((await takeFrom(store, job, 1)).work)
      await store.jobs.giveBack(job, turn, forMs)
      return given.header.id
    }
    for (const [forMs, id] of [
      [400, 'a'],
      [100, 'b'],
      [250, 'c'],
    ] as const)
      expect(await giveBack(forMs)).toBe(`acme.${id}`)
    await clock.advanceBy(100)
    expect(await giveBack(50)).toBe('acme.b')
    await clock.advanceBy(50)
    expect(await giveBack(500)).toBe('acme.b')
    await clock.advanceBy(100)
    expect(await giveBack(10_000)).toBe('acme.c')
    await clock.advanceBy(150)
    expect(await giveBack(10_000)).toBe('acme.a')
    await clock.advanceBy(250)
    expect(await giveBack(10_000)).toBe('acme.b')
  })

  test('that is renewed ends so long after that, and is kept from other jobs until then', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a'])
    const { turn } = one((await takeFrom(store, job, 1, 1_000)).work)
    await clock.advanceBy(900)
    expect(await store.jobs.renew(job, [turn, 'none'], 1_000)).toEqual([turn])
    expect(await store.jobs.renew('acme.none', [turn], 1_000)).toEqual([])
    await clock.advanceBy(999)
    const other = await jobOf(store, 'other', ['a'])
    expect((await takeFrom(store, other, 1)).skipped).toEqual(['acme.a'])
    await clock.advanceBy(1)
    const another = await jobOf(store, 'another', ['a'])
    expect(idsOf((await takeFrom(store, another, 1)).work)).toEqual(['acme.a'])
    expect(await store.jobs.renew(job, [turn], 1_000)).toEqual([])
  })

  test('that is settled or given back sets the letter free for other jobs', async () => {
    const { store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a', 'b'])
    const [a, b] = (await takeFrom(store, job, 2)).work
    if (!a || !b) return expect.unreachable()
    await store.jobs.settle(job, a.turn, 'failed', nextOf(a.letter))
    await store.jobs.giveBack(job, b.turn)
    const other = await jobOf(store, 'other', ['a', 'b'])
    expect(idsOf((await takeFrom(store, other, 2)).work)).toEqual(['acme.a', 'acme.b'])
    expect((await takeFrom(store, job, 2)).skipped).toEqual(['acme.b'])
    expect(await store.jobs.get(job)).toMatchObject({ state: 'done', done: 2, failed: 1, skipped: 1 })
  })

  test('gives each letter its slot by the rate, to the millisecond', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a', 'b', 'c', 'd'], { ratePerSecond: 4 })
    const dueIn = async (count: number): Promise<readonly number[]> =>
      (await takeFrom(store, job, count)).work.map(({ dueInMs }) => dueInMs)
    expect(await dueIn(2)).toEqual([0, 250])
    await clock.advanceBy(100)
    expect(await dueIn(1)).toEqual([400])
    await clock.advanceBy(5_000)
    expect(await dueIn(1)).toEqual([0])
  })
})

describe('a pause in memory', () => {
  test('ends at its time, says when, and ends with the job', async () => {
    const { clock, store } = storeOnVirtualClock()
    const job = await jobOf(store, 'j', ['a'])
    await store.jobs.pause(job, 500)
    await clock.advanceBy(499)
    expect(await store.jobs.get(job)).toMatchObject({ state: 'paused', pausedUntilAt: 1_000_500 })
    await clock.advanceBy(1)
    expect(await store.jobs.get(job)).toMatchObject({ state: 'running' })
    expect(await store.jobs.get(job)).not.toHaveProperty('pausedUntilAt')
    await store.jobs.pause(job, 500)
    await store.jobs.cancel(job)
    expect(await store.jobs.get(job)).toMatchObject({ state: 'cancelled' })
    await store.jobs.pause(job, 500)
    expect(await store.jobs.get(job)).toMatchObject({ state: 'cancelled' })
  })

  test('of a job that is not there is none, nor is there anything else to do with it', async () => {
    const { jobs } = storeOnVirtualClock().store
    await jobs.pause('acme.none', 1)
    await jobs.giveBack('acme.none', 'turn')
    expect(await jobs.cancel('acme.none')).toBe(false)
    expect(await jobs.feed('acme.none', undefined, [], undefined)).toBe(false)
    expect(await jobs.settle('acme.none', 'turn', 'failed')).toBe('lost')
    expect(await jobs.get('acme.none')).toBeUndefined()
  })
})

test('of one taking no more than 1,000 letters are skipped', async () => {
  const { store } = storeOnVirtualClock()
  const ids = Array.from({ length: 1_001 }, (_, n) => `acme.n${n}`)
  await store.add(letter('last'), bounds)
  await store.jobs.start(plan('j'))
  await store.jobs.feed('acme.j', undefined, [...ids, 'acme.last'], undefined)
  const first = await takeFrom(store, 'acme.j', 5)
  expect([first.work, first.skipped.length, first.job.skipped]).toEqual([[], 1_000, 1_000])
  const second = await takeFrom(store, 'acme.j', 5)
  expect([idsOf(second.work), second.skipped]).toEqual([['acme.last'], ['acme.n1000']])
})

test('what is written down of jobs makes the same jobs, and does not change any more', async () => {
  const { clock, store } = storeOnVirtualClock()
  const job = await jobOf(store, 'j', ['a', 'b', 'c'])
  const [a, b] = (await takeFrom(store, job, 2, 1_000)).work
  if (!a || !b) return expect.unreachable()
  await store.jobs.giveBack(job, b.turn, 400)
  await store.remove(['acme.c'])
  const parts = structuredClone(store.snapshot())
  const before = await store.jobs.get(job)
  await store.jobs.settle(job, a.turn, 'delivered')
  await takeFrom(store, job, 5)
  const again = memoryLetters({ clock })
  for (const part of parts) again.restore(part)
  expect(await again.jobs.get(job)).toEqual(before)
  expect(await again.add(letter('c'), bounds)).toEqual({ status: 'gone' })
  const other = await jobOf(again, 'other', ['a'])
  expect((await takeFrom(again, other, 1)).skipped).toEqual(['acme.a'])
  expect(await again.jobs.settle(job, a.turn, 'delivered')).toMatchObject({ delivered: 1 })
  await clock.advanceBy(400)
  const rest = await takeFrom(again, job, 5)
  expect([idsOf(rest.work), rest.skipped]).toEqual([['acme.b'], ['acme.c']])
  expect(one(rest.work).turn).not.toBe(b.turn)
})

test('what the version before wrote down of jobs, as it was given back, comes the earliest first', async () => {
  const { clock, store } = storeOnVirtualClock()
  const job = await jobOf(store, 'j', ['a', 'b'])
  const [a, b] = (await takeFrom(store, job, 2)).work
  await store.jobs.giveBack(job, a?.turn ?? '', 400)
  await store.jobs.giveBack(job, b?.turn ?? '', 100)
  const text = JSON.stringify(store.snapshot())
  const late = text.indexOf('{"letterId":"acme.a"')
  expect(late > 0 && late < text.indexOf('{"letterId":"acme.b"')).toBe(true)
  const again = memoryLetters({ clock })
  for (const part of JSON.parse(text.replace(/"isEarliestFirst":\w+,/, '')) as readonly LetterSnapshot[])
    again.restore(part)
  await clock.advanceBy(100)
  expect(idsOf((await takeFrom(again, job, 2)).work)).toEqual(['acme.b'])
  await clock.advanceBy(300)
  expect(idsOf((await takeFrom(again, job, 2)).work)).toEqual(['acme.a'])
})
