import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { diskDeadLetters } from '../../../src/factories/disk-dead-letters.ts'
import { ConfigError, OverCapacityError } from '../../../src/kernel/errors.ts'
import { type Clock, systemClock } from '../../../src/ports/clock.ts'
import type { Journal } from '../../../src/ports/journal.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { deadLetterQueue, type DeadLetters } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import { journaledLetters } from '../../../src/streams/dead-letters/journaled-letters.ts'
import { idsOf, letter, one, plan, takeFrom } from '../../../src/testing/port-contracts/letter-store-clause.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { newFolder } from '../../adapters/disk/folder.ts'
import { until } from '../../servers/until.ts'

function lettersIn(directory: string, clock: Clock = systemClock, logger = silentLogger): LetterStore {
  const journal = diskJournal({ directory, name: 'letters', isShared: false, bytesMax: 1_000_000_000, logger })
  return journaledLetters({ make: (clock) => memoryLetters({ clock }), journal, room: Infinity, clock, logger })
}

const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: 1, error: new Error('failed') }
const dayMs = 86_400_000

/** Everything that can be seen of a queue. */
async function seen(queue: DeadLetters): Promise<unknown> {
  const { items } = await queue.list({}, { limit: 1_000 })
  const { total, parked } = await queue.stats()
  return { items, total, parked, jobs: await queue.redrives.list('acme') }
}

describe('the contract of the port', () => {
  portContracts.deadLetters(test, (bounds) => {
    const queue = diskDeadLetters({ directory: newFolder(), ...bounds })
    onTestFinished(() => queue.close?.())
    return queue
  })
  portContracts.letterStore(test, () => lettersIn(newFolder()))
})

describe('letters on disk', () => {
  test('are the same after a restart: letters, edits, parking, redrives and what is gone', async () => {
    const directory = newFolder()
    const queue = diskDeadLetters({ directory })
    for (let n = 0; n < 40; n += 1)
      await queue.enqueue({ ...draft, id: String(n), payload: { n, text: 'a\nb\u2028"' }, channel: n % 2 ? 'a' : 'b' })
    await queue.edit('acme.1', { payload: { other: ['…'] } })
    await queue.park(['acme.2', 'acme.3'])
    await queue.purge(['acme.4'])
    await queue.redrives.start(['acme.5', 'acme.6'], { ratePerSecond: 5 })
    const before = await seen(queue)
    await queue.close?.()
    for (let restart = 0; restart < 2; restart += 1) {
      const next = diskDeadLetters({ directory })
      expect(await seen(next)).toEqual(before)
      await next.enqueue({ ...draft, id: '4' })
      expect(await next.get('acme.4')).toBe(undefined)
      await next.close?.()
    }
  })

  test('go on with a redrive where the process before ended, and do no letter twice', async () => {
    const directory = newFolder()
    const first = diskDeadLetters({ directory })
    for (let n = 0; n < 20; n += 1) await first.enqueue({ ...draft, id: String(n) })
    const jobs = await first.redrives.start({ organization: 'acme' })
    const sent: string[] = []
    const work = (queue: DeadLetters, most: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const [job] = jobs
        if (job === undefined) throw new Error('no job')
        const abort = new AbortController()
        const to = async ({ id }: { id: string }): Promise<void> => {
          sent.push(id)
          if (sent.length >= most) abort.abort()
        }
        queue.redrives.work(job.id, { to, signal: abort.signal }).subscribe({ complete: resolve, error: reject })
      })
    await work(first, 7)
    await first.close?.()
    const next = diskDeadLetters({ directory })
    await work(next, Infinity)
    expect(sent.length).toBe(20)
    expect(new Set(sent).size).toBe(20)
    expect(await next.count()).toBe(0)
    await next.close?.()
  })

  test('know how much time has passed while there was no process', async () => {
    const directory = newFolder()
    const clock = virtualClock({ startAt: 1_000 })
    const first = diskDeadLetters({ directory, clock, retentionDays: 2 })
    for (const id of ['old', 'gone']) await first.enqueue({ ...draft, id })
    await first.purge(['acme.gone'])
    await first.close?.()
    const later = virtualClock({ startAt: 1_000 + dayMs + 1 })
    const second = diskDeadLetters({ directory, clock: later, retentionDays: 2 })
    await second.enqueue({ ...draft, id: 'gone' })
    expect(await second.count()).toBe(2)
    await second.close?.()
    const last = diskDeadLetters({
      directory,
      clock: virtualClock({ startAt: 1_000 + 2 * dayMs + 1 }),
      retentionDays: 2,
    })
    expect((await last.list()).items.map(({ id }) => id)).toEqual(['acme.gone'])
    await last.close?.()
  })

  test('belong to one process at a time', async () => {
    const directory = newFolder()
    const [one, other] = [diskDeadLetters({ directory }), diskDeadLetters({ directory })]
    await one.enqueue(draft)
    await expect(other.enqueue(draft)).rejects.toThrow(ConfigError)
    await expect(other.enqueue(draft)).rejects.toThrow(String(process.pid))
    await one.close?.()
    expect(await other.count()).toBe(1)
    await other.close?.()
  })

  test('are refused past their bytes, and taken again when there is room, also after a restart', async () => {
    const directory = newFolder()
    const queue = diskDeadLetters({ directory, bytesMax: 50_000 })
    const payload = 'x'.repeat(10_000)
    const results = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => queue.enqueue({ ...draft, id, payload })),
    )
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused.length).toBe(2)
    expect(refused[0]?.reason).toBeInstanceOf(OverCapacityError)
    await queue.close?.()
    const next = diskDeadLetters({ directory, bytesMax: 50_000 })
    expect(await next.count()).toBe(4)
    await expect(next.enqueue({ ...draft, id: 'g', payload })).rejects.toThrow(OverCapacityError)
    await next.purge(['acme.a'])
    await next.enqueue({ ...draft, id: 'g', payload })
    await next.close?.()
  })

  test('that were taken in stay, with their edits, when there is to be less room after a restart', async () => {
    const directory = newFolder()
    const queue = diskDeadLetters({ directory, bytesMax: 50_000 })
    for (const id of ['a', 'b', 'c']) await queue.enqueue({ ...draft, id, payload: 'x'.repeat(10_000) })
    await queue.edit('acme.a', { payload: 'y'.repeat(10_000) })
    await expect(queue.enqueue({ ...draft, id: 'd', payload: 'x'.repeat(20_000) })).rejects.toThrow(OverCapacityError)
    const before = await seen(queue)
    await queue.close?.()
    for (const bytesMax of [5_000, 500_000]) {
      const next = diskDeadLetters({ directory, bytesMax })
      expect(await seen(next)).toEqual(before)
      await next.close?.()
    }
  })

  test('take no more room on the disk than they need: history goes, while they are used', async () => {
    const directory = newFolder()
    const queue = diskDeadLetters({ directory })
    const payload = 'x'.repeat(1_000_000)
    for (let n = 0; n < 3; n += 1) await queue.enqueue({ ...draft, id: `kept-${n}`, payload: n })
    await queue.redrives.start(['acme.kept-1'], {})
    for (let round = 0; round < 12; round += 1) {
      const ids = Array.from({ length: 5 }, (_, n) => `${round}-${n}`)
      await Promise.all(ids.map((id) => queue.enqueue({ ...draft, id, payload })))
      await queue.purge(ids.map((id) => `acme.${id}`))
    }
    const files = (): readonly string[] => readdirSync(directory)
    await until('the journal to be written anew', () =>
      files().some((name) => name.endsWith('.whole')) ? true : undefined,
    )
    // What it stands for is dropped after it. Then there is up to twice what a round takes, and 16 MiB.
    const size = (name: string): number => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
    const bytes = (): number => files().reduce((sum, name) => sum + size(name), 0)
    await until('history to be gone', () => (bytes() < 28_000_000 ? true : undefined))
    const before = await seen(queue)
    await queue.close?.()
    const next = diskDeadLetters({ directory })
    expect(await seen(next)).toEqual(before)
    expect(await next.count()).toBe(3)
    await next.enqueue({ ...draft, id: '0-0' })
    expect(await next.count()).toBe(3)
    await next.close?.()
  })

  test('leave no history either that comes while they are written anew, however long that takes', async () => {
    const disk = diskJournal({
      directory: newFolder(),
      name: 'letters',
      isShared: false,
      bytesMax: 1e9,
      logger: silentLogger,
    })
    let [rewritten, goOn] = [0, (): void => {}]
    const slow = new Promise<void>((resolve) => (goOn = resolve))
    const journal: Journal = {
      ...disk,
      get records() {
        return disk.records
      },
      get bytes() {
        return disk.bytes
      },
      async replace(records) {
        await disk.replace(records)
        rewritten += 1
        await slow
      },
    }
    const make = (clock: Clock) => memoryLetters({ clock })
    const store = journaledLetters({ make, journal, room: 1e9, clock: systemClock, logger: silentLogger })
    const queue = deadLetterQueue(store, { sweepEveryMs: 0 })
    for (let round = 0; round < 12; round += 1) {
      const ids = Array.from({ length: 5 }, (_, n) => `${round}-${n}`)
      await Promise.all(ids.map((id) => queue.enqueue({ ...draft, id, payload: 'x'.repeat(1_000_000) })))
      await queue.purge(ids.map((id) => `acme.${id}`))
    }
    await until('the journal to be written anew', () => rewritten === 1 || undefined)
    goOn()
    await until('it to be written anew again', () => rewritten === 2 || undefined)
    expect(disk.bytes).toBeLessThan(1_000_000)
    await queue.close?.()
  })

  test('are those that the version before left, which had taken first what was given back', async () => {
    const directory = newFolder()
    const journal = diskJournal({ directory, name: 'letters', isShared: false, bytesMax: 1e9, logger: silentLogger })
    const write = (at: number, change: object, body = ''): Promise<void> =>
      journal.append(Buffer.from(`${JSON.stringify({ v: 1, now: at, monotonic: at, room: null, change })}${body}`))
    for (const id of ['a', 'b', 'c']) {
      const { header, body } = letter(id, { createdAt: 1_000 })
      await write(1_000, { does: 'add', letter: header, bounds: { lettersMax: 9 } }, `\n${body}`)
    }
    const job = 'acme.j'
    const take = { does: 'take', id: job, by: 'w', count: 1, leaseMs: 10_000 }
    await write(1_001, { does: 'start', plan: plan('j', { total: 3 }) })
    await write(1_002, { does: 'feed', id: job, ids: ['acme.a', 'acme.b', 'acme.c'] })
    await write(1_003, take)
    await write(1_003, take)
    await write(1_004, { does: 'giveBack', id: job, turn: '1', forMs: 300 })
    await write(1_004, { does: 'giveBack', id: job, turn: '2', forMs: 100 })
    await write(1_304, take)
    await write(1_305, { does: 'settle', id: job, turn: '3', outcome: 'delivered' })
    await journal.close()
    // What came back first was taken first, and is delivered.
    const store = lettersIn(directory, virtualClock({ startAt: 1_306 }))
    const left = await store.page({}, { limit: 9, oldestFirst: true })
    expect(left.items.map(({ header }) => header.id)).toEqual(['acme.b', 'acme.c'])
    expect(await store.jobs.get(job)).toMatchObject({ delivered: 1, done: 1 })
    // From here on each letter has its turn before any has another, also after one more start.
    const { turn, letter: taken } = one((await takeFrom(store, job, 1)).work)
    expect(taken.header.id).toBe('acme.c')
    await store.jobs.settle(job, turn, 'delivered')
    await store.close?.()
    const next = lettersIn(directory, virtualClock({ startAt: 1_306 }))
    onTestFinished(() => next.close?.())
    expect(idsOf((await takeFrom(next, job, 3)).work)).toEqual(['acme.b'])
    expect(await next.get('acme.c')).toBe(undefined)
  })

  test('that cannot be read are set aside and told of; the others are there', async () => {
    const directory = newFolder()
    const journal = diskJournal({
      directory,
      name: 'letters',
      isShared: false,
      bytesMax: 1_000_000,
      logger: silentLogger,
    })
    await Promise.all(
      ['{"v":2}', 'nothing', '{"v":1,"now":1,"monotonic":1,"change":{"does":"dance"}}'].map((text) =>
        journal.append(Buffer.from(text)),
      ),
    )
    await journal.close()
    const lines: string[] = []
    const logger = {
      info() {},
      warn() {},
      error: (facts: object, message: string) => void lines.push(`${message} ${JSON.stringify(facts)}`),
    }
    const queue = diskDeadLetters({ directory, logger })
    await queue.enqueue(draft)
    expect(lines).toEqual(['records of dead letters could not be read, and were set aside {"records":3}'])
    await queue.close?.()
    const again = diskDeadLetters({ directory, logger })
    expect(await again.count()).toBe(1)
    expect(lines.length).toBe(1)
    await again.close?.()
  })

  test('survive damage to one of them', async () => {
    const directory = newFolder()
    const queue = diskDeadLetters({ directory })
    for (const id of ['a', 'b', 'c']) await queue.enqueue({ ...draft, id, payload: id.repeat(100) })
    await queue.close?.()
    const [file = ''] = readdirSync(directory).filter((name) => name.endsWith('.journal'))
    const bytes = readFileSync(join(directory, file))
    bytes.write('#', bytes.indexOf('b'.repeat(100)))
    writeFileSync(join(directory, file), bytes)
    const next = diskDeadLetters({ directory })
    onTestFinished(() => next.close?.())
    expect((await next.list()).items.map(({ id }) => id)).toEqual(['acme.c', 'acme.a'])
    expect(readdirSync(directory).some((name) => name.endsWith('.corrupt'))).toBe(true)
  })
})
