import { type DeadLetters, type Letter, memoryDeadLetters } from 'switchgear'
import { afterEach, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { notNow, unguarded } from '../src/dead-letters/guard-destination.ts'
import { type RedriveDesk, redriveDesk } from '../src/dead-letters/redrive-desk.ts'

const logger = { info() {}, warn() {}, error() {} }
/** Jobs that one instance works on at the same time. */
const jobsMax = 16
const slowJobsMax = 256

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A desk over these letters, which tells which it sent again; those of organizations that are `out` wait a minute. */
function deskOver(
  deadLetters: DeadLetters,
  out: (organization: string) => boolean = () => false,
  send: (letter: Letter) => Promise<void> = async () => {},
) {
  const sent: string[] = []
  const asked = new Set<string>()
  const untilOut = ({ organization }: Letter) => {
    asked.add(organization)
    if (!out(organization)) return unguarded
    return { refusedForMs: () => 60_000, run: () => Promise.reject(notNow('smtp', 60_000, 'it is out')) }
  }
  const desk = redriveDesk({
    deadLetters,
    resender: {
      how: {
        async to(letter) {
          sent.push(letter.id)
          await send(letter)
        },
        through: untilOut,
        retry: { maxAttempts: 1 },
      },
      finishWhatIsSent() {},
      drain: async () => {},
    },
    organizations: new Map(),
    logger,
  })
  ends.push(() => desk.drain(0))
  return { desk, sent, asked }
}

async function lettersOf(deadLetters: DeadLetters, organizations: readonly string[]): Promise<readonly string[]> {
  const ids: string[] = []
  for (const organization of organizations) {
    const draft = { organization, channel: 'email', messageId: `m-${ids.length}`, payload: {}, error: 'no' }
    ids.push((await deadLetters.enqueue(draft)).id)
  }
  return ids
}

const isDone = (desk: RedriveDesk, id: string) => async (): Promise<true | undefined> =>
  (await desk.get(id))?.state === 'done' || undefined

it('A redrive that somebody has started and left is worked on', async () => {
  const deadLetters = memoryDeadLetters()
  const ids = await lettersOf(deadLetters, ['acme'])
  const [job] = await deadLetters.redrives.start(ids)
  const { desk, sent } = deskOver(deadLetters)
  await until('it to be done', isDone(desk, job?.id ?? ''), 10_000)
  expect(sent).toEqual(ids)
})

it('A rate is of all the letters together, whichever way they are named', async () => {
  const deadLetters = memoryDeadLetters()
  const ids = await lettersOf(deadLetters, ['acme', 'acme', 'globex'])
  const { desk } = deskOver(deadLetters, () => true)
  const rates = async (letters: Parameters<RedriveDesk['start']>[0]) =>
    (await desk.start(letters, { ratePerSecond: 10 })).map(({ ratePerSecond }) => ratePerSecond)
  expect(await rates(ids)).toEqual([5, 5])
  expect(await rates({})).toEqual([5, 5])
  expect(await rates({ organization: 'acme' })).toEqual([10])
})

it('Redrives are listed newest first, of one organization or of all', async () => {
  const deadLetters = memoryDeadLetters()
  const { desk } = deskOver(deadLetters, () => true)
  const ids = await lettersOf(deadLetters, ['acme', 'globex', 'acme'])
  const started: string[] = []
  for (const id of ids) {
    const before = Date.now()
    await until('another millisecond', () => Date.now() > before || undefined)
    started.push(...(await desk.start([id], {})).map((job) => job.id))
  }
  const listed = async (organization?: string) => (await desk.list(organization)).map(({ id }) => id)
  expect(await listed()).toEqual(started.toReversed())
  expect(await listed('acme')).toEqual([started[2], started[0]])
})

it('So many redrives are worked on at the same time, and one that waits long leaves its place to another', async () => {
  const warnings: string[] = []
  const warn = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', warn)
  ends.push(() => void process.off('warning', warn))
  const deadLetters = memoryDeadLetters()
  const names = Array.from({ length: jobsMax }, (_, index) => `out-${index}`)
  const ids = await lettersOf(deadLetters, [...names, 'well'])
  const { desk, sent, asked } = deskOver(deadLetters, (organization) => organization !== 'well')
  const jobs = await desk.start(ids, {})
  expect(jobs).toHaveLength(jobsMax + 1)
  await until('those to be asked for that come first', () => asked.size === jobsMax || undefined)
  expect(sent).toEqual([])
  await until('the last to be done', () => sent.length > 0 || undefined)
  expect(sent).toEqual(ids.slice(-1))
  expect(warnings).toEqual([])
})

it('An organization holds up no other, however many redrives it has that take long', async () => {
  const deadLetters = memoryDeadLetters()
  const letter = await lettersOf(deadLetters, ['other'])
  const hang = ({ organization }: Letter): Promise<void> =>
    organization === 'other' ? Promise.resolve() : new Promise(() => {})
  const { desk, sent } = deskOver(deadLetters, () => false, hang)
  for (const organization of ['a', 'b', 'c', 'd'])
    for (const id of await lettersOf(deadLetters, [
      organization,
      organization,
      organization,
      organization,
      organization,
    ]))
      await desk.start([id], {})
  await desk.start(letter, {})
  await until('the other to be sent', () => sent.includes(letter[0] ?? '') || undefined)
  const counts = ['a', 'b', 'c', 'd'].map((name) => sent.filter((id) => id.startsWith(`${name}.`)).length)
  expect(counts).toEqual([4, 4, 1, 1])
})

it('Redrives that are to be slow hold up none, of however many organizations they are', async () => {
  const deadLetters = memoryDeadLetters()
  const { desk } = deskOver(deadLetters)
  const names = Array.from({ length: jobsMax + 1 }, (_, index) => `slow-${index}`)
  for (const name of names) await desk.start(await lettersOf(deadLetters, [name, name]), { ratePerSecond: 0.001 })
  const [job] = await desk.start(await lettersOf(deadLetters, ['other']), {})
  await until('the other to be done', isDone(desk, job?.id ?? ''))
  const under = async () => (await Promise.all(names.map((name) => desk.list(name)))).flat()
  await until('the first of each to be sent', async () => (await under()).every(({ done }) => done === 1) || undefined)
})

it('Of slow redrives, too, so many are worked on at the same time', async () => {
  const deadLetters = memoryDeadLetters()
  const { desk, sent } = deskOver(deadLetters)
  const names = Array.from({ length: slowJobsMax + 1 }, (_, index) => `slow-${index}`)
  const ids = await lettersOf(deadLetters, [...names, ...names])
  expect(await desk.start(ids, { ratePerSecond: 0.001 })).toHaveLength(slowJobsMax + 1)
  const others = await lettersOf(deadLetters, ['other'])
  await desk.start(others, {})
  await until('the first of each to be sent', () => sent.length > slowJobsMax || undefined)
  expect(sent.toSorted()).toEqual([...ids.slice(0, slowJobsMax), ...others].toSorted())
})

it('Of redrives that one organization has left behind, the oldest is first', async () => {
  const deadLetters = memoryDeadLetters()
  const started: string[] = []
  for (const id of await lettersOf(deadLetters, ['a', 'a', 'a', 'a', 'a', 'a'])) {
    const before = Date.now()
    await until('another millisecond', () => Date.now() > before || undefined)
    started.push(...(await deadLetters.redrives.start([id])).map(() => id))
  }
  const { sent } = deskOver(
    deadLetters,
    () => false,
    () => new Promise(() => {}),
  )
  await until('four to be begun', () => sent.length >= 4 || undefined)
  expect(sent).toEqual(started.slice(0, 4))
})

it('Nothing is begun any more after the end', async () => {
  const deadLetters = memoryDeadLetters()
  const ids = await lettersOf(deadLetters, ['acme'])
  const { desk, sent, asked } = deskOver(deadLetters)
  await desk.drain(0)
  const [job] = await desk.start(ids, {})
  expect(await deadLetters.redrives.get(job?.id ?? '')).toMatchObject({ state: 'running', done: 0 })
  expect([sent, [...asked]]).toEqual([[], []])
})
