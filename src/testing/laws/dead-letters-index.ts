import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letter-queue.ts'
import type { Law } from '../law.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'

const organizations = ['acme', 'beta'] as const
const channels = ['email', 'slack'] as const
const errors = {
  timeout: { message: 'too late', code: 'ETIMEDOUT' },
  rejected: { message: 'GONE', status: 410 },
  unknown: { message: 'odd' },
} as const
type Kind = keyof typeof errors
const kinds: readonly Kind[] = ['timeout', 'rejected', 'unknown']
const retentionDays = 1

type Step =
  | { readonly does: 'enqueue'; readonly of: number; readonly channel: string; readonly error: Kind }
  | { readonly does: 'edit'; readonly of: number; readonly channel: string }
  | { readonly does: 'park' | 'unpark' | 'purge'; readonly of: readonly number[] | LetterFilter }
  | { readonly does: 'redrive'; readonly of: readonly number[]; readonly error: Kind | undefined }
  | { readonly does: 'wait'; readonly ms: number }

export interface IndexScenario {
  readonly seed: number
  readonly steps: readonly Step[]
  readonly filters: readonly LetterFilter[]
}

/** What there should be, in the plainest words. */
interface Expected {
  readonly organization: string
  channel: string
  errorType: Kind
  parked: boolean
  readonly createdAt: number
}

/** `deadLetters.index` */
export function indexLaw(subject: DeadLettersSubject): Law<IndexScenario> {
  return {
    name: 'deadLetters.index',
    says: 'counts, pages and stats agree with the letters, whatever was done to them',
    cases: fc.record({
      seed: fc.nat(),
      steps: fc.array(anyStep, { minLength: 1, maxLength: 25, size: 'max' }),
      filters: fc.array(anyFilter, { minLength: 1, maxLength: 6 }),
    }),
    async holds({ seed, steps, filters }) {
      const clock = virtualClock({ startAt: 1_000_000 })
      const queue = queueOver(subject, subject.letters(clock), { clock, seed, retentionDays, maxRedrives: 2 })
      const model = newModel(clock)
      let changes = 0
      for (const step of steps) {
        await clock.runUntil(act(queue, step, clock))
        changes += model.act(step)
      }
      for (const filter of [{}, { channel: 'email' }, ...filters])
        await clock.runUntil(compare(queue, filter, model.find(filter)))
      return changes > 0 && model.find({}).length > 0 ? 'held' : 'notExercised'
    },
  }
}

function isList(of: readonly number[] | LetterFilter): of is readonly number[] {
  return Array.isArray(of)
}

function organizationOf(of: number): string {
  return organizations[of % 2] ?? 'acme'
}

function idOf(of: number): string {
  return `${organizationOf(of)}.${of}`
}

async function act(queue: DeadLetters, step: Step, clock: VirtualClock): Promise<unknown> {
  switch (step.does) {
    case 'enqueue': {
      const { message, ...facts } = errors[step.error]
      const error = Object.assign(new Error(message), facts)
      return queue.enqueue(draftOf(step.of, { organization: organizationOf(step.of), channel: step.channel, error }))
    }
    case 'edit':
      return queue.edit(idOf(step.of), { channel: step.channel })
    case 'redrive':
      return redrive(queue, step)
    case 'wait':
      return clock.sleep(step.ms)
    default:
      return queue[step.does](isList(step.of) ? step.of.map(idOf) : step.of)
  }
}

function redrive(queue: DeadLetters, { of, error }: Extract<Step, { does: 'redrive' }>): Promise<void> {
  const to = async (): Promise<void> => {
    if (error === undefined) return
    const { message, ...facts } = errors[error]
    throw Object.assign(new Error(message), facts)
  }
  return new Promise((resolve, reject) =>
    queue.redrive(of.map(idOf), { to }).subscribe({ complete: resolve, error: reject }),
  )
}

function newModel(clock: VirtualClock) {
  const letters = new Map<string, Expected & { redrives: number }>()
  const gone = new Set<string>()
  const find = (filter: LetterFilter): [string, Expected][] =>
    [...letters].filter(([, letter]) => {
      if (letter.createdAt < clock.now() - retentionDays * 86_400_000) return false
      return fits(letter, filter)
    })
  const chosen = (of: readonly number[] | LetterFilter): readonly string[] =>
    isList(of) ? of.map(idOf).filter((id) => letters.has(id)) : find(of).map(([id]) => id)
  const purge = (id: string): number => {
    letters.delete(id)
    gone.add(id)
    return 1
  }
  return {
    find,
    /** Says how many changed. */
    act(step: Step): number {
      for (const [id, { createdAt }] of letters)
        if (createdAt < clock.now() - retentionDays * 86_400_000) letters.delete(id)
      switch (step.does) {
        case 'enqueue': {
          const [id, organization] = [idOf(step.of), organizationOf(step.of)]
          if (letters.has(id) || gone.has(id)) return 0
          const { channel, error: errorType } = step
          letters.set(id, { organization, channel, errorType, parked: false, createdAt: clock.now(), redrives: 0 })
          return 0
        }
        case 'edit': {
          const letter = letters.get(idOf(step.of))
          if (letter !== undefined) letter.channel = step.channel
          return letter === undefined ? 0 : 1
        }
        case 'redrive':
          for (const id of new Set(chosen(step.of))) {
            const letter = letters.get(id)
            if (letter === undefined || step.error === undefined) purge(id)
            else {
              letter.errorType = step.error
              letter.redrives += 1
              letter.parked ||= letter.redrives >= 2
            }
          }
          return step.of.length
        case 'wait':
          if (step.ms > 86_400_000) gone.clear()
          return 0
        case 'purge':
          return chosen(step.of).map(purge).length
        default:
          for (const id of chosen(step.of)) {
            const letter = letters.get(id)
            if (letter !== undefined) letter.parked = step.does === 'park'
          }
          return 1
      }
    },
  }
}

function fits(letter: Expected, { text, since, until, ...rest }: LetterFilter): boolean {
  for (const [key, value] of Object.entries(rest))
    if (value !== undefined && Reflect.get(letter, key) !== value) return false
  if (letter.createdAt < (since ?? -Infinity) || letter.createdAt > (until ?? Infinity)) return false
  return `Error ${errors[letter.errorType].message}`.toLowerCase().includes((text ?? '').toLowerCase())
}

async function compare(
  queue: DeadLetters,
  filter: LetterFilter,
  expected: readonly [string, Expected][],
): Promise<void> {
  const listed: string[] = []
  let last = Infinity
  let cursor: string | undefined
  do {
    const page = await queue.list(filter, { limit: 3, cursor })
    for (const { id, createdAt } of page.items) {
      assert.ok(createdAt <= last, 'a listing is not newest first')
      last = createdAt
      listed.push(id)
    }
    cursor = page.next
  } while (cursor !== undefined)
  assert.deepEqual(listed.toSorted(), expected.map(([id]) => id).toSorted())
  assert.equal(await queue.count(filter), expected.length)
  const { total, parked, rows } = await queue.stats(filter)
  assert.deepEqual([total, parked], [expected.length, expected.filter(([, letter]) => letter.parked).length])
  const key = (row: Pick<Expected, 'organization' | 'channel'> & { readonly errorType: string }): string =>
    `${row.organization} ${row.channel} ${row.errorType}`
  const counts = new Map<string, number>()
  for (const [, letter] of expected) counts.set(key(letter), (counts.get(key(letter)) ?? 0) + 1)
  assert.deepEqual(new Map(rows.map((row) => [key(row), row.count])), counts)
}

const ids = fc.nat({ max: 11 })
const someIds = fc.uniqueArray(ids, { minLength: 1, maxLength: 4 })
const anyFilter: fc.Arbitrary<LetterFilter> = fc.record(
  {
    organization: fc.constantFrom(...organizations, 'nobody'),
    channel: fc.constantFrom(...channels),
    errorType: fc.constantFrom(...kinds),
    since: fc.nat({ max: 100_000 }).map((ms) => 1_000_000 + ms),
    until: fc.nat({ max: 100_000 }).map((ms) => 1_000_000 + ms),
    text: fc.constantFrom('too', 'gone', 'rror', 'nowhere'),
    parked: fc.boolean(),
  },
  { requiredKeys: [] },
)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('enqueue' as const),
      of: ids,
      channel: fc.constantFrom(...channels),
      error: fc.constantFrom(...kinds),
    }),
  },
  fc.record({ does: fc.constant('edit' as const), of: ids, channel: fc.constantFrom(...channels) }),
  fc.record({
    does: fc.constantFrom('park' as const, 'unpark' as const, 'purge' as const),
    of: fc.oneof(
      someIds,
      anyFilter.filter((filter) => Object.keys(filter).length > 1),
    ),
  }),
  fc.record({
    does: fc.constant('redrive' as const),
    of: someIds,
    error: fc.option(fc.constantFrom(...kinds), { nil: undefined }),
  }),
  fc.record({
    does: fc.constant('wait' as const),
    ms: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 20_000 }) }, fc.constant(86_400_001)),
  }),
)
