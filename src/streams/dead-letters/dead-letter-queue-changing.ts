import { z } from 'zod'
import { ConfigError, UnavailableError } from '../../kernel/errors.ts'
import { checkName } from '../../kernel/names.ts'
import { parseOptions, shown } from '../../kernel/options.ts'
import type { Letter, LetterFilter } from '../../ports/dead-letters.ts'
import { checkLetterFilter } from '../../ports/letter-filter.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import { bodyOf, type LetterParts, readLetter, type StoredEdit } from '../../ports/letter.ts'
import { countLetters, everyPage } from './dead-letter-queue-reading.ts'

/** Letters by their ids (at most 10,000), or those that a filter finds. */
export type LettersGiven = readonly string[] | LetterFilter

export interface LetterChange {
  readonly payload?: unknown
  /** 1 to 128 characters. */
  readonly channel?: string | undefined
}

const idsMax = 10_000
/** Letters that are changed at the same time. */
const batch = 100
/** Ids that a store removes in one step. */
const removeMax = 1_000
/** How often a letter may change under our hands before we give up. */
const triesMax = 100
const editsMax = 10

/**
 * What was given, told apart and checked.
 * @throws ConfigError
 */
export function checkLettersGiven(
  given: LettersGiven,
): { readonly ids: readonly string[] } | { readonly filter: LetterFilter } {
  if (!isIds(given)) return { filter: checkLetterFilter(given) }
  const bad = given.findIndex((id) => typeof id !== 'string')
  if (bad >= 0) throw new ConfigError(`ids.${bad}`, `expected the id of a letter (given: ${shown(given[bad])})`)
  if (given.length > idsMax) throw new ConfigError('ids', `expected at most ${idsMax} (given: ${given.length})`)
  return { ids: [...new Set(given)] }
}

function isIds(given: LettersGiven): given is readonly string[] {
  return Array.isArray(given)
}

const changeSchema: z.ZodType<LetterChange> = z.strictObject({
  payload: z.unknown().optional(),
  channel: z.string().optional(),
})
const versionSchema: z.ZodType<{ readonly version?: number | undefined }> = z.strictObject({
  version: z.number().optional(),
})

/**
 * Reads, changes and puts in place, again if somebody else did meanwhile; `undefined` when there is no such letter.
 * @throws ConfigError for a change that cannot be meant, and when the letter has another version than the one given
 * @throws OverCapacityError for a payload past `bodyBytesMax`
 */
export async function editLetter(
  store: LetterStore,
  id: string,
  change: LetterChange,
  { version, at, bodyBytesMax }: { readonly version?: unknown; at(): number; readonly bodyBytesMax: number },
): Promise<Letter | undefined> {
  const { payload, channel } = parseOptions(changeSchema, change, 'change')
  const expected = parseOptions(versionSchema, { version }, '').version
  const given = {
    ...(channel === undefined ? {} : { channel: checkName(channel, 'change.channel') }),
    ...(payload === undefined ? {} : { body: bodyOf(payload, bodyBytesMax) }),
  }
  const edited = await changeLetter(store, id, (parts) => {
    if (expected !== undefined && parts.header.version !== expected)
      throw new ConfigError('version', `expected ${parts.header.version}, which the letter has (given: ${expected})`)
    return afterEdit(parts, given, at(), bodyBytesMax)
  })
  return edited && readLetter(edited)
}

/** `undefined` where nothing is changed. */
function afterEdit(
  { header, body }: LetterParts,
  given: { readonly channel?: string; readonly body?: string },
  at: number,
  bodyBytesMax: number,
): LetterParts | undefined {
  const { channel } = header
  const before = {
    ...(given.channel === undefined || given.channel === channel ? {} : { channel }),
    ...(given.body === undefined || given.body === body ? {} : { body }),
  }
  if (Object.keys(before).length === 0) return undefined
  const edits = [...(header.edits ?? []), { at, version: header.version, ...before }]
  return {
    header: {
      ...header,
      channel: given.channel ?? channel,
      version: header.version + 1,
      updatedAt: at,
      edits: newestEdits(edits, bodyBytesMax),
    },
    body: given.body ?? body,
  }
}

function newestEdits(edits: readonly StoredEdit[], charactersMax: number): readonly StoredEdit[] {
  let characters = 0
  const first = edits.findLastIndex(({ body }) => (characters += body?.length ?? 0) > charactersMax)
  return edits.slice(Math.max(0, Math.min(first + 1, edits.length - 1), edits.length - editsMax))
}

/** Parks letters, or ends that. Says how many it changed. @throws ConfigError */
export async function parkLetters(
  store: LetterStore,
  given: LettersGiven,
  parked: boolean,
  at: () => number,
): Promise<number> {
  const of = checkLettersGiven(given)
  const park = async (id: string): Promise<boolean> => {
    let changes = false
    const letter = await changeLetter(store, id, ({ header, body }) => {
      changes = header.parked !== parked
      if (!changes) return undefined
      return { header: { ...header, parked, version: header.version + 1, updatedAt: at() }, body }
    })
    return letter !== undefined && changes
  }
  if ('filter' in of && of.filter.parked === parked) return 0
  let letters = 0
  const chunks = 'ids' in of ? chunksOf(of.ids, batch) : everyId(store, { ...of.filter, parked: !parked }, batch)
  for await (const ids of chunks) letters += (await Promise.all(ids.map(park))).filter(Boolean).length
  return letters
}

/** Removes letters; says how many there were, or would be. @throws ConfigError */
export async function purgeLetters(store: LetterStore, given: LettersGiven, dryRun: boolean): Promise<number> {
  const of = checkLettersGiven(given)
  if (dryRun && 'filter' in of) return countLetters(store, of.filter)
  let letters = 0
  const chunks = 'ids' in of ? chunksOf(of.ids, removeMax) : everyId(store, of.filter, removeMax)
  for await (const ids of chunks) letters += await (dryRun ? countThere(store, ids) : store.remove(ids))
  return letters
}

async function countThere(store: LetterStore, ids: readonly string[]): Promise<number> {
  const found = await Promise.all(ids.map((id) => store.get(id)))
  return found.filter((letter) => letter !== undefined).length
}

async function* everyId(store: LetterStore, filter: LetterFilter, limit: number): AsyncGenerator<readonly string[]> {
  for await (const letters of everyPage(store, filter, limit)) yield letters.map(({ header }) => header.id)
}

/** Lists of at most `size`. */
export function* chunksOf<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}

/** The letter after the change, or as it is where there is nothing to change; `undefined` when it is not there. */
async function changeLetter(
  store: LetterStore,
  id: string,
  change: (parts: LetterParts) => LetterParts | undefined,
): Promise<LetterParts | undefined> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const parts = await store.get(id)
    const next = parts && change(parts)
    if (parts === undefined || next === undefined) return parts
    if (await store.replace(next, parts.header.version)) return next
  }
  throw new UnavailableError('dead letters', `the letter ${shown(id)} changes all the time`)
}
