/**
 * A process with a two-tier cache, that plays its part of a run when it is told to: it reads, writes to the source of truth,
 * and invalidates, and says what it did and saw, and when, by the clock of the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type SubjectName, subjects } from './subjects.ts'

/** `steps` 0: only reads each key once. */
export interface Part {
  readonly id: number
  readonly organization: string
  readonly seed: number
  readonly steps: number
}

export interface SeenRead {
  readonly key: string
  readonly beganAt: number
  readonly version: number
}

/** An invalidation that resolved, and what was true before it was asked for. */
export interface SeenInvalidation {
  readonly id: string | undefined
  readonly truth: Readonly<Record<string, number>>
  readonly resolvedAt: number
}

export interface Seen {
  readonly id: number
  readonly reads: readonly SeenRead[]
  readonly invalidations: readonly SeenInvalidation[]
  /** Invalidations that were rejected, since the connection was lost to a busy machine: they promise nothing. */
  readonly rejected: number
  /** By the name of an invalidation. */
  readonly heardAt: Readonly<Record<string, number>>
}

export const keys = ['a', 'b'] as const

const [name = '', url = '', truthUrl = ''] = process.argv.slice(2)
const truth = new Redis(truthUrl)
const heard = new Map<string, number>()
const chance = seededRandom(process.pid)
const upTo = (ms: number): Promise<void> => sleep(Math.floor(chance.next() * (ms + 1)))
/** In ms, the same in all processes of a machine. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6

const subject = subjects[name as SubjectName]({
  url,
  async load(organization, key) {
    await upTo(8)
    const version = Number((await truth.get(`truth:${organization}:${key}`)) ?? 0)
    await upTo(8)
    return { version }
  },
  onHeard: (id) => void heard.set(id, now()),
})

async function play({ id, organization, seed, steps }: Part): Promise<Seen> {
  const random = seededRandom(seed)
  const reads: SeenRead[] = []
  const invalidations: SeenInvalidation[] = []
  let rejected = 0
  const read = async (key: string): Promise<void> => {
    const beganAt = now()
    const { version } = await subject.read(organization, key)
    reads.push({ key, beganAt, version })
  }
  const write = (key: string): Promise<number> => truth.incr(`truth:${organization}:${key}`)
  const invalidate = async (): Promise<void> => {
    await Promise.all(keys.map(write))
    const versions = await truth.mget(keys.map((key) => `truth:${organization}:${key}`))
    const isTrue = Object.fromEntries(keys.map((key, index) => [key, Number(versions[index] ?? 0)]))
    try {
      const named = await subject.invalidate(organization)
      invalidations.push({ id: named, truth: isTrue, resolvedAt: now() })
    } catch {
      rejected += 1
    }
  }
  const doing: Promise<unknown>[] = []
  for (let step = 0; step < steps; step += 1) {
    const key = random.next() < 0.5 ? 'a' : 'b'
    const what = random.next()
    const one = what < 0.7 ? read(key) : what < 0.85 ? invalidate() : write(key)
    // A rejection is seen below.
    one.catch(() => {})
    doing.push(one)
    await sleep(Math.floor(random.next() * 8))
  }
  await Promise.all(doing)
  if (steps === 0) await Promise.all(keys.map(read))
  const ids = [...heard.keys()]
  return {
    id,
    reads,
    invalidations,
    rejected,
    heardAt: Object.fromEntries(ids.map((each) => [each, heard.get(each) ?? 0])),
  }
}

process.on('message', (part: Part) => {
  play(part).then(
    (seen) => process.send?.(seen),
    (error: unknown) => process.send?.({ id: part.id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
