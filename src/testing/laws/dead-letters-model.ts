import * as fc from 'fast-check'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import type { VirtualClock } from '../virtual-clock.ts'

const organizations = ['acme', 'beta'] as const
const channels = ['email', 'slack'] as const
export const errors = {
  timeout: { message: 'too late', code: 'ETIMEDOUT' },
  rejected: { message: 'GONE', status: 410 },
  unknown: { message: 'odd' },
} as const
type Kind = keyof typeof errors
const kinds: readonly Kind[] = ['timeout', 'rejected', 'unknown']
export const retentionDays = 1

export type Step =
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
export interface Expected {
  readonly organization: string
  channel: string
  errorType: Kind
  parked: boolean
  readonly createdAt: number
}

const ids = fc.nat({ max: 11 })
const someIds = fc.uniqueArray(ids, { minLength: 1, maxLength: 4 })
export const anyFilter: fc.Arbitrary<LetterFilter> = fc.record(
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
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
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

export function isList(of: readonly number[] | LetterFilter): of is readonly number[] {
  return Array.isArray(of)
}

export function organizationOf(of: number): string {
  return organizations[of % 2] ?? 'acme'
}

export function idOf(of: number): string {
  return `${organizationOf(of)}.${of}`
}

/** What the queue should have. */
export interface Model {
  find(filter: LetterFilter): readonly [string, Expected][]
  /** Does a step; says how many letters it is about. */
  act(step: Step): number
}

export function newModel(clock: VirtualClock): Model {
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
