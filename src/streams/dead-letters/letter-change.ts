import type { LetterBounds, LetterSnapshot, RestorableLetters } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import type { RedriveOutcome, RedrivePlan } from '../../ports/redrive-jobs.ts'

/** What changes a store of letters, as a value. */
export type LetterChange =
  | { readonly does: 'add'; readonly letter: LetterParts; readonly bounds: LetterBounds }
  | { readonly does: 'replace'; readonly letter: LetterParts; readonly version: number }
  | { readonly does: 'remove'; readonly ids: readonly string[] }
  | { readonly does: 'sweep'; readonly before: number }
  | { readonly does: 'start'; readonly plan: RedrivePlan }
  | {
      readonly does: 'feed'
      readonly id: string
      readonly cursor?: string | undefined
      readonly ids: readonly string[]
      readonly next?: string | undefined
    }
  | {
      /**
       * `take` is what versions wrote that took first what was given back. Changes name turns by their number, not the
       * letter: so letters are taken again in the order in which they were taken.
       */
      readonly does: 'take' | 'takeInTurn'
      readonly id: string
      readonly by: string
      readonly count: number
      readonly leaseMs: number
    }
  | { readonly does: 'renew'; readonly id: string; readonly turns: readonly string[]; readonly leaseMs: number }
  | {
      readonly does: 'settle'
      readonly id: string
      readonly turn: string
      readonly outcome: RedriveOutcome
      readonly letter?: LetterParts
    }
  | { readonly does: 'giveBack'; readonly id: string; readonly turn: string; readonly forMs: number }
  | { readonly does: 'pause'; readonly id: string; readonly forMs: number }
  | { readonly does: 'cancel'; readonly id: string }

/** A part of a store that was written down whole. */
export type LetterRestoring =
  | { readonly does: 'restore'; readonly letter: LetterParts; readonly arrival: number }
  | { readonly does: 'restore'; readonly other: Readonly<Record<string, unknown>> }

/**
 * When a store is changed, and with how much room: what it refused then, and that alone, it refuses when the change is made
 * again.
 */
export interface Circumstances {
  readonly now: number
  readonly monotonic: number
  /** What all letters together may take, in characters. */
  readonly room: number
}

export interface LetterRecord extends Circumstances {
  readonly change: LetterChange | LetterRestoring
}

/** A line of JSON with all but the payload of a letter, which follows as it is. */
export function writeChange({ change, ...at }: LetterRecord): Uint8Array {
  if (!('letter' in change) || change.letter === undefined) return Buffer.from(JSON.stringify({ v: 1, ...at, change }))
  const { header, body } = change.letter
  return Buffer.from(`${JSON.stringify({ v: 1, ...at, change: { ...change, letter: header } })}\n${body}`)
}

/** What JSON makes of a record. */
interface StoredRecord {
  readonly v: unknown
  /** `null` is no bound. */
  readonly room: number | null
}

/** `undefined` for what is no change, or one of a later version. */
export function readChange(record: Uint8Array): LetterRecord | undefined {
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString()
  const end = text.indexOf('\n')
  try {
    const { v, room, ...given } = JSON.parse(end < 0 ? text : text.slice(0, end)) as Omit<LetterRecord, 'room'> &
      StoredRecord
    if (v !== 1) return undefined
    const rest = { ...given, room: room ?? Infinity }
    if (end < 0) return rest
    const header = (rest.change as { readonly letter: unknown }).letter as LetterParts['header']
    const letter = { header, body: text.slice(end + 1) }
    return { ...rest, change: { ...rest.change, letter } as LetterRecord['change'] }
  } catch {
    return undefined
  }
}

export function restoringOf(part: LetterSnapshot): LetterRestoring {
  return { does: 'restore', ...part }
}

/** Makes a change. What it gives is what the store gives for it. */
export async function applyChange(store: RestorableLetters, change: LetterRecord['change']): Promise<unknown> {
  switch (change.does) {
    case 'add':
      return store.add(change.letter, change.bounds)
    case 'replace':
      return store.replace(change.letter, change.version)
    case 'remove':
      return store.remove(change.ids)
    case 'sweep':
      return store.sweep(change.before)
    case 'start':
      return store.jobs.start(change.plan)
    case 'feed':
      return store.jobs.feed(change.id, change.cursor, change.ids, change.next)
    case 'take':
      return store.jobs.take(change.id, { ...change, givenBackFirst: true })
    case 'takeInTurn':
      return store.jobs.take(change.id, change)
    case 'renew':
      return store.jobs.renew(change.id, change.turns, change.leaseMs)
    case 'settle':
      return store.jobs.settle(change.id, change.turn, change.outcome, change.letter)
    case 'giveBack':
      return store.jobs.giveBack(change.id, change.turn, change.forMs)
    case 'pause':
      return store.jobs.pause(change.id, change.forMs)
    case 'cancel':
      return store.jobs.cancel(change.id)
    case 'restore':
      return store.restore(change)
    default:
      change satisfies never
      throw new Error('a change of letters of a kind that this version does not know')
  }
}
