import type { LetterFilter, LetterStatsRow, Page } from '../../ports/dead-letters.ts'
import { listIn, textIn } from './letter-asking.ts'
import { allKey, cellsOf } from './letter-keys.ts'
import type { LetterSources } from './letter-pages.ts'
import { cursorAt, placeAt } from './letter-place.ts'
import { cellsScript, countAllScript } from './letter-scripts.ts'
import { sideBySide } from './letter-side-by-side.ts'
import { readCell } from './letter-value.ts'

/** Indexes that one script counts, and organizations that one step asks. */
const cellsMax = 500
const organizationsMax = 500

interface CellCount {
  readonly cell: string
  readonly count: number
  readonly oldestAt: number
}

/** How many letters a filter without a text finds. */
export async function countLetters(
  sources: LetterSources,
  filter: LetterFilter,
  cursor?: string,
): Promise<{ readonly count: number; readonly next?: string }> {
  const { asked, next } = await organizationsAsked(sources, filter, cursor)
  const counts = await sideBySide(asked, async (organization) => {
    if (cellsOf(filter)[0] === 'all') return countAll(sources, organization, filter)
    return (await cellCounts(sources, organization, filter)).reduce((sum, { count }) => sum + count, 0)
  })
  return { count: counts.reduce((sum, count) => sum + count, 0), ...next }
}

/** Depth and age of the letters that a filter finds, which asks for no more than what letters are indexed by. */
export async function letterRows(
  sources: LetterSources,
  { organization, channel, errorType }: LetterFilter,
  cursor?: string,
): Promise<Page<LetterStatsRow>> {
  const filter = {
    ...(organization === undefined ? {} : { organization }),
    ...(channel === undefined ? {} : { channel }),
    ...(errorType === undefined ? {} : { errorType }),
  }
  const { asked, next } = await organizationsAsked(sources, filter, cursor)
  const rows = await sideBySide(asked, async (name) =>
    (await cellCounts(sources, name, filter)).map(({ cell, count, oldestAt }): LetterStatsRow => {
      const { parked, ...of } = readCell(cell)
      return { organization: name, ...of, count, parked: parked ? count : 0, oldestAt }
    }),
  )
  return { items: rows.flat(), ...next }
}

/** Whom one step is about, and the cursor of the next one. */
async function organizationsAsked(
  { organizations }: LetterSources,
  { organization }: LetterFilter,
  cursor: string | undefined,
): Promise<{ readonly asked: readonly string[]; readonly next: { readonly next?: string } }> {
  if (organization !== undefined) return { asked: [organization], next: {} }
  const after = cursor === undefined ? '' : placeAt(cursor).organization
  const names = (await organizations.all()).filter((name) => name > after)
  const asked = names.slice(0, organizationsMax)
  const last = asked.at(-1)
  if (last === undefined || names.length <= organizationsMax) return { asked, next: {} }
  return { asked, next: { next: cursorAt({ at: '0', organization: last, id: '' }) } }
}

async function countAll({ redis, fleet }: LetterSources, organization: string, filter: LetterFilter): Promise<number> {
  const { since = '-inf', until = '+inf' } = filter
  return Number(await redis.script(countAllScript, [allKey(fleet, organization)], [since, until]))
}

async function cellCounts(
  { redis, fleet }: LetterSources,
  organization: string,
  filter: LetterFilter,
): Promise<readonly CellCount[]> {
  const { since = '-inf', until = '+inf' } = filter
  const [how, ...names] = cellsOf(filter)
  const wanted = how === 'all' ? ['begins', ''] : [how, ...names]
  const counts: CellCount[] = []
  let after = ''
  do {
    const args = [since, until, after, cellsMax, ...wanted]
    const [next, ...found] = listIn(await redis.script(cellsScript, [allKey(fleet, organization)], args))
    for (let at = 0; at < found.length; at += 3)
      counts.push({ cell: textIn(found[at]), count: Number(found[at + 1]), oldestAt: Number(textIn(found[at + 2])) })
    after = textIn(next)
  } while (after !== '')
  return counts
}
