/** Something that happened, in one column of a story. */
export interface StoryEvent {
  /** When, in ms since the story began. */
  readonly atMs: number
  /** The column that it stands in: an instance, the dependency, the log. None: it happened to all, and runs across. */
  readonly who?: string | undefined
  /** What, in a few words. */
  readonly what: string
}

export interface StoryOptions {
  /** The columns from left to right. Default: as they come. */
  readonly columns?: readonly string[] | undefined
  /** How wide a line may be, in characters; at least 40. Default: 120. */
  readonly width?: number | undefined
  /** How many moments are shown; what is between the first and the last of them is counted. Default: 60. */
  readonly momentsMax?: number | undefined
}

export const storyDefaults: Readonly<{ width: number; momentsMax: number }> = Object.freeze({
  width: 120,
  momentsMax: 60,
})

/**
 * Tells what happened as a timeline: a line for each moment, a column for each instance.
 * ```text
 *       at │ instance 0      │ instance 1
 *     0 ms │ a call fails    │
 *          │ opens by itself │
 *    41 ms │                 │ hears of it: open
 * 1,000 ms │ ── the dependency is back
 * ```
 */
export function tellStory(events: readonly StoryEvent[], options: StoryOptions = {}): string {
  const { width = storyDefaults.width, momentsMax = storyDefaults.momentsMax } = options
  const columns = options.columns ?? columnsOf(events)
  const moments = momentsOf(events)
  const times = ['at', ...moments.map(({ atMs }) => readableAt(atMs))]
  const layout = layoutOf(events, columns, Math.max(...times.map(({ length }) => length)), Math.max(40, width))
  const told = moments.map((moment) => linesOf(moment, columns, layout))
  return [rowOf('at', columns.map(shortened(layout.column)), layout), ...abridged(told, momentsMax)].join('\n')
}

interface Layout {
  readonly time: number
  readonly column: number
  readonly across: number
}

interface Moment {
  readonly atMs: number
  readonly events: readonly StoryEvent[]
}

const rule = ' │ '
const columnMin = 12

function columnsOf(events: readonly StoryEvent[]): readonly string[] {
  return [...new Set(events.flatMap(({ who }) => (who === undefined ? [] : [who])))]
}

/** In the order of time; of one time, in the order in which they were told. */
function momentsOf(events: readonly StoryEvent[]): readonly Moment[] {
  const moments = new Map<number, StoryEvent[]>()
  for (const event of events) {
    const known = moments.get(event.atMs)
    if (known === undefined) moments.set(event.atMs, [event])
    else known.push(event)
  }
  return [...moments].map(([atMs, of]) => ({ atMs, events: of })).toSorted((one, other) => one.atMs - other.atMs)
}

/** No column is wider than its widest text. */
function layoutOf(events: readonly StoryEvent[], columns: readonly string[], time: number, width: number): Layout {
  const across = width - time - rule.length
  const share = Math.floor(across / Math.max(1, columns.length)) - rule.length
  const texts = [...columns, ...events.flatMap(({ who, what }) => (who === undefined ? [] : [what]))]
  const widest = Math.max(0, ...texts.map(({ length }) => length))
  return { time, across, column: Math.max(columnMin, Math.min(widest, share)) }
}

/** What happened at one moment: what is of all runs across, the rest stands side by side. */
function linesOf({ atMs, events }: Moment, columns: readonly string[], layout: Layout): readonly string[] {
  const lines: string[] = []
  const time = (): string => (lines.length === 0 ? readableAt(atMs) : '')
  let cells = columns.map((): string[] => [])
  const flush = (): void => {
    const height = Math.max(...cells.map(({ length }) => length), 0)
    for (let line = 0; line < height; line++)
      lines.push(
        rowOf(
          time(),
          cells.map((cell) => cell[line] ?? ''),
          layout,
        ),
      )
    cells = columns.map(() => [])
  }
  for (const { who, what } of events) {
    const cell = who === undefined ? undefined : cells[columns.indexOf(who)]
    if (cell !== undefined) {
      cell.push(...wrapped(what, layout.column))
      continue
    }
    flush()
    for (const text of wrapped(`── ${what}`, layout.across)) lines.push(rowOf(time(), [text], layout))
  }
  flush()
  return lines
}

function rowOf(time: string, cells: readonly string[], { time: width, column }: Layout): string {
  return [time.padStart(width), ...cells.map((cell) => cell.padEnd(column))].join(rule).trimEnd()
}

/** A long story by its beginning and its end, which is where it matters. */
function abridged(moments: readonly (readonly string[])[], momentsMax: number): readonly string[] {
  if (moments.length <= momentsMax) return moments.flat()
  const first = Math.floor(momentsMax / 3)
  const last = momentsMax - first
  const left = moments.length - momentsMax
  return [...moments.slice(0, first).flat(), `… ${left} more moments …`, ...moments.slice(-last).flat()]
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/u).flatMap((each) => pieces(each, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

function pieces(word: string, width: number): readonly string[] {
  const found: string[] = []
  for (let from = 0; from < word.length; from += width) found.push(word.slice(from, from + width))
  return found
}

const shortened =
  (width: number) =>
  (text: string): string =>
    text.length <= width ? text : `${text.slice(0, width - 1)}…`

/** Whole ms, by thousands: what is told is read beside settings in ms. */
function readableAt(atMs: number): string {
  return `${Math.round(atMs).toLocaleString('en-US')} ms`
}
