import { strict as assert } from 'node:assert'
import { lastValueFrom, toArray } from 'rxjs'
import type { Letter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { RedriveEvent } from '../../streams/redrive/redrive-events.ts'
import { eventually } from './contract.ts'
import { type DeadLettersClause, draft } from './dead-letters-clause.ts'

/** What the port says of sending letters again. */
export const redriveClauses: readonly DeadLettersClause[] = [
  {
    says: 'a redrive sends what a filter finds, once; what is delivered is gone, and does not come back with a late replay',
    async holds(queue) {
      await enqueueAll(queue, 25)
      await queue.enqueue({ ...draft('m'), id: 'slack', channel: 'slack' })
      const sent: string[] = []
      const to = async ({ id }: Letter): Promise<void> => void sent.push(id)
      const events = await eventsOf(queue.redrive({ channel: 'email' }, { to, concurrency: 4 }))
      assert.equal(new Set(sent).size, 25)
      assert.equal(sent.length, 25)
      assert.deepEqual(new Set(events.map(({ status }) => status)), new Set(['delivered']))
      assert.deepEqual(
        events.map(({ done, total }) => [done, total]),
        Array.from({ length: 25 }, (_, n) => [n + 1, 25]),
      )
      await enqueueAll(queue, 25)
      assert.deepEqual([await queue.count({ channel: 'email' }), await queue.count()], [0, 1])
    },
  },
  {
    says: 'what fails stays, counted, with its new error, which filters and stats go by; it is parked in the end',
    async holds(queue) {
      await enqueueAll(queue, 3)
      const to = (): Promise<never> => Promise.reject(Object.assign(new Error('gone'), { status: 410 }))
      const redrive = () => eventsOf(queue.redrive({}, { to, maxRedrives: 2 }))
      assert.deepEqual(statusesOf(await redrive()), ['failed', 'failed', 'failed'])
      assert.deepEqual(
        [await queue.count({ errorType: 'rejected' }), await queue.count({ errorType: 'unknown' })],
        [3, 0],
      )
      assert.deepEqual(
        (await queue.stats()).rows.map(({ errorType, count }) => [errorType, count]),
        [['rejected', 3]],
      )
      const letter = await queue.get('acme.0')
      assert.deepEqual([letter?.redriveCount, letter?.parked, letter?.error.message], [1, false, 'gone'])
      assert.deepEqual(letter?.attempts.at(-1)?.error, 'gone')
      assert.deepEqual(statusesOf(await redrive()), ['parked', 'parked', 'parked'])
      assert.deepEqual([await queue.count({ parked: true }), (await queue.stats()).parked], [3, 3])
      assert.deepEqual(await redrive(), [])
    },
  },
  {
    says: 'ids that are gone are skipped, parked letters are sent when they are named, and `max` bounds the rest',
    async holds(queue) {
      await enqueueAll(queue, 4)
      await queue.park(['acme.1'])
      const sent: string[] = []
      const to = async ({ id }: Letter): Promise<void> => void sent.push(id)
      const named = await eventsOf(queue.redrive(['acme.none', 'acme.1'], { to }))
      assert.deepEqual(statusesOf(named), ['delivered', 'skipped'])
      assert.equal(named.at(-1)?.done, 2)
      const two = await eventsOf(queue.redrive({ organization: 'acme' }, { to, max: 2, concurrency: 1 }))
      assert.equal(two.length, 2)
      assert.deepEqual(sent, ['acme.1', 'acme.0', 'acme.2'])
      assert.equal(await queue.count(), 1)
    },
  },
  {
    says: 'workers of one job, and those of others, do a letter once',
    async holds(queue) {
      await enqueueAll(queue, 40)
      const sent: string[] = []
      const to = async ({ id }: Letter): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        sent.push(id)
      }
      const [job] = await queue.redrives.start({})
      const work = () => eventsOf(queue.redrives.work(job?.id ?? '', { to, concurrency: 5 }))
      await Promise.all([work(), work(), work(), eventsOf(queue.redrive({}, { to, concurrency: 5 }))])
      assert.equal(sent.length, 40)
      assert.equal(new Set(sent).size, 40)
      const jobs = await queue.redrives.list('acme')
      // The second is about those that were left when it began.
      for (const { state, done, total, failed } of jobs) assert.deepEqual([state, done, failed], ['done', total, 0])
      assert.equal(jobs.at(-1)?.done, 40)
      assert.equal(
        jobs.reduce((sum, { delivered }) => sum + delivered, 0),
        40,
      )
    },
  },
  {
    says: 'a job outlives its worker: what was not sent is given back, and another goes on',
    async holds(queue) {
      await enqueueAll(queue, 12)
      const sent: string[] = []
      const caller = new AbortController()
      const stalls = async ({ id }: Letter, { signal }: { signal: AbortSignal }): Promise<void> => {
        if (sent.length >= 4)
          await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('off'))))
        sent.push(id)
      }
      const [job] = await queue.redrives.start({ organization: 'acme' })
      const id = job?.id ?? ''
      assert.deepEqual([job?.state, job?.done, job?.total], ['running', 0, 12])
      const first = eventsOf(queue.redrives.work(id, { to: stalls, concurrency: 2, signal: caller.signal }))
      await eventually(() => sent.length === 4, 'four letters are sent')
      caller.abort()
      assert.equal((await first).length, 4)
      assert.deepEqual(await standing(queue, id), ['running', 4, 4])
      await eventsOf(queue.redrives.work(id, { to: async (letter) => void sent.push(letter.id) }))
      assert.equal(new Set(sent).size, 12)
      assert.deepEqual([sent.length, await queue.count()], [12, 0])
      assert.deepEqual(await standing(queue, id), ['done', 12, 12])
    },
  },
  {
    says: 'a job is found by its id and by its organization, and ends where it is cancelled',
    async holds(queue) {
      await enqueueAll(queue, 3)
      assert.equal(await queue.redrives.get('acme.none'), undefined)
      assert.deepEqual(await queue.redrives.list('nobody'), [])
      assert.equal(await queue.redrives.cancel('acme.none'), false)
      const [older] = await queue.redrives.start({})
      const [newer] = await queue.redrives.start(['acme.0'], { maxRedrives: 3, ratePerSecond: 5 })
      assert.deepEqual(await queue.redrives.get(older?.id ?? ''), older)
      assert.deepEqual([newer?.maxRedrives, newer?.ratePerSecond], [3, 5])
      const listed = await queue.redrives.list('acme')
      assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set([older?.id, newer?.id]))
      assert.equal(listed.length, 2)
      assert.equal(await queue.redrives.cancel(older?.id ?? ''), true)
      assert.equal(await queue.redrives.cancel(older?.id ?? ''), false)
      const events = await eventsOf(queue.redrives.work(older?.id ?? '', { to: async () => {} }))
      assert.deepEqual(events, [])
      assert.deepEqual([(await queue.redrives.get(older?.id ?? ''))?.state, await queue.count()], ['cancelled', 3])
    },
  },
]

async function enqueueAll(queue: DeadLetters, letters: number): Promise<void> {
  for (let n = 0; n < letters; n++) await queue.enqueue({ ...draft(`m${n}`), id: String(n) })
}

function eventsOf(events$: ReturnType<DeadLetters['redrive']>): Promise<readonly RedriveEvent[]> {
  return lastValueFrom(events$.pipe(toArray()))
}

function statusesOf(events: readonly RedriveEvent[]): readonly string[] {
  return events.map(({ status }) => status).toSorted()
}

async function standing(queue: DeadLetters, id: string) {
  const job = await queue.redrives.get(id)
  return [job?.state, job?.done, job?.delivered]
}
