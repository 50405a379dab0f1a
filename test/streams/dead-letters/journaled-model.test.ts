import { expect, test } from 'vitest'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import type { Journal } from '../../../src/ports/journal.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { type LetterParts, writeLetter } from '../../../src/ports/letter.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { journaledLetters } from '../../../src/streams/dead-letters/journaled-letters.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { newFolder } from '../../adapters/disk/folder.ts'
import { sized } from '../../sized.ts'

const seed = Number(process.env['SWITCHGEAR_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const cases = sized(12, 200)
const steps = 80

test('letters on disk are those that one process would have in memory, whatever is done, however often it starts again', async () => {
  for (let n = 0; n < cases; n += 1) await play(seed + n)
}, 600_000)

async function play(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const below = (max: number): number => Math.floor(random.next() * max)
  const directory = newFolder()
  const clock = virtualClock({ startAt: 1_000 })
  const model = memoryLetters({ clock })
  let letters = await lettersIn(directory, clock, below(2) === 0)
  for (let step = 0; step < steps; step += 1) {
    const say = `seed ${seed}, step ${step}`
    await clock.advanceBy(below(25) === 0 ? 90_000_000 : below(200))
    const act = anyAct(below, clock)
    const [got, expected] = [await told(act(letters)), await told(act(model))]
    expect(got, say).toEqual(expected)
    if (below(5) === 0) {
      await letters.close?.()
      letters = await lettersIn(directory, clock, below(2) === 0)
    }
    expect(await seen(letters), say).toEqual(await seen(model))
  }
  await letters.close?.()
}

/** `rewrites`: as if the journal were long after each change, so that it is written anew. */
async function lettersIn(directory: string, clock: VirtualClock, rewrites: boolean): Promise<LetterStore> {
  const journal = diskJournal({ directory, name: 'letters', isShared: false, bytesMax: 1e9, logger: silentLogger })
  return journaledLetters({
    make: (clock) => memoryLetters({ clock }),
    room: Infinity,
    journal: rewrites ? seeminglyLong(journal) : journal,
    clock,
    logger: silentLogger,
  })
}

function seeminglyLong(journal: Journal): Journal {
  let bytes = 1e9
  return {
    get records() {
      return journal.records
    },
    get bytes() {
      return (bytes *= 3)
    },
    append: (record) => journal.append(record),
    parts: () => journal.parts(),
    adopt: () => journal.adopt(),
    replace: (records) => journal.replace(records),
    close: () => journal.close(),
  }
}

async function told(answer: Promise<unknown>): Promise<unknown> {
  return answer.catch((error: unknown) => String(error))
}

async function seen(store: LetterStore): Promise<unknown> {
  const { items } = await store.page({}, { limit: 1_000 })
  return { items, jobs: (await store.jobs.list('acme')).toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
}

type Act = (store: LetterStore) => Promise<unknown>

function anyAct(below: (max: number) => number, clock: VirtualClock): Act {
  const id = `${below(6)}`
  const job = `acme.job${below(2)}`
  const turn = String(1 + below(10))
  const forMs = below(300)
  const bounds = { lettersMax: 5 }
  const changed = async (store: LetterStore): Promise<LetterParts> => {
    const found = (await store.get(`acme.${id}`)) ?? letter(id, clock.now())
    const { header } = found
    return {
      body: `"changed"`,
      header: { ...header, version: header.version + 1, redriveCount: header.redriveCount + 1 },
    }
  }
  const acts: readonly Act[] = [
    (store) => store.add(letter(id, clock.now()), bounds),
    (store) => store.add(letter(id, clock.now()), bounds),
    async (store) => {
      const next = await changed(store)
      return store.replace(next, next.header.version - 1)
    },
    (store) => store.remove([`acme.${id}`, `acme.${id}x`]),
    (store) => store.sweep(clock.now() - 1_000),
    (store) =>
      store.jobs.start({
        id: job,
        organization: 'acme',
        of: { filter: {} },
        total: 3,
        ratePerSecond: 10,
        maxRedrives: 2,
        startedAt: clock.now(),
      }),
    (store) => store.jobs.feed(job, undefined, [`acme.${id}`, `acme.${id}x`, 'acme.1'], 'more'),
    (store) => store.jobs.feed(job, 'more', ['acme.2', 'acme.3', 'acme.1'], 'more'),
    (store) => store.jobs.feed(job, 'more', ['acme.2'], undefined),
    (store) => store.jobs.take(job, { by: 'me', count: 2, leaseMs: 400 }),
    (store) => store.jobs.take(job, { by: 'me', count: 1, leaseMs: 9_000 }),
    (store) => store.jobs.take(job, { by: 'me', count: 1, leaseMs: 9_000 }),
    (store) => store.jobs.renew(job, [turn], 1_000),
    (store) => store.jobs.settle(job, turn, 'delivered'),
    async (store) => store.jobs.settle(job, turn, 'failed', await changed(store)),
    (store) => store.jobs.giveBack(job, turn, forMs),
    (store) => store.jobs.pause(job, 700),
    (store) => store.jobs.cancel(job),
  ]
  return acts[below(acts.length)] ?? (async () => undefined)
}

function letter(id: string, at: number): LetterParts {
  const draft = {
    organization: 'acme',
    channel: 'email',
    messageId: 'm',
    payload: { id, text: 'a\nb' },
    error: 'down',
    id,
  }
  return writeLetter(draft, { at, newId: () => id, bodyBytesMax: 1_000 })
}
