import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setAttribute, setText, show, svg } from './dom.ts'
import { count, plural } from './format.ts'
import { keyed, type Row } from './keyed.ts'
import type { Bucket } from './wire.ts'

/** From the ground up. */
const states = ['delivered', 'refused', 'deadLettered', 'failed'] as const
const words: Readonly<Record<(typeof states)[number], string>> = {
  delivered: 'delivered',
  refused: 'refused',
  deadLettered: 'dead-lettered',
  failed: 'failed',
}

/** Bars of a chart, and what each stands for, in ms. */
const barsMax = 60
const barMs = 15_000
const height = 40

interface Channel {
  readonly name: string
  /** Of each bar, by state, in the order of `states`. */
  readonly bars: readonly (readonly number[])[]
}

/** What becomes of messages, by channel. */
export function outcomeSection(board: Board): { update(): void } {
  const list = h('ul', { class: 'charts' })
  const said = h('p', { class: 'quiet' }, 'Nothing was sent within the last 15 minutes.')
  const draw = keyed<Channel>(list, ({ name }) => name, channelRow)
  sectionOf('outcomes').append(list, said)
  return {
    update() {
      const channels = channelsOf(board.buckets(), board.now())
      draw(channels)
      show(said, channels.length === 0)
    },
  }
}

/** What was delivered and lost, and what limits have refused, in so many ms. */
export function totalsSince(
  board: Board,
  ms: number,
): { readonly delivered: number; readonly lost: number; readonly refused: number } {
  const totals = { delivered: 0, lost: 0, refused: 0 }
  for (const { at, outcomes, decisions } of board.buckets()) {
    if (at < board.now() - ms) continue
    for (const { delivered = 0, deadLettered = 0, failed = 0 } of Object.values(outcomes)) {
      totals.delivered += delivered
      totals.lost += deadLettered + failed
    }
    for (const { refused } of decisions) totals.refused += refused
  }
  return totals
}

function channelsOf(buckets: readonly Bucket[], now: number): readonly Channel[] {
  const lastBar = Math.floor(now / barMs)
  const byName = new Map<string, number[][]>()
  for (const { at, outcomes } of buckets) {
    const bar = Math.floor(at / barMs) - lastBar + barsMax - 1
    if (bar < 0 || bar >= barsMax) continue
    for (const [name, counted] of Object.entries(outcomes)) {
      const bars = byName.get(name) ?? Array.from({ length: barsMax }, () => states.map(() => 0))
      byName.set(name, bars)
      states.forEach((state, index) => {
        const sums = bars[bar]
        if (sums !== undefined) sums[index] = (sums[index] ?? 0) + (counted[state] ?? 0)
      })
    }
  }
  return [...byName].map(([name, bars]) => ({ name, bars })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function channelRow({ name }: Channel): Row<Channel> {
  const paths = states.map((state) => svg('path', { class: `is-${state}` }))
  const chart = svg(
    'svg',
    { viewBox: `0 0 ${barsMax} ${height}`, preserveAspectRatio: 'none', role: 'img', class: 'chart' },
    ...paths,
  )
  const said = h('span', { class: 'quiet' })
  return {
    element: h('li', {}, h('div', { class: 'chart-head' }, h('span', { class: 'name' }, name), said), chart),
    update({ bars }) {
      const max = Math.max(1, ...bars.map(sum))
      // One path for each state: as many elements, however long it is.
      paths.forEach((path, state) => {
        const drawn = bars.map((bar, index) => {
          const below = sum(bar.slice(0, state))
          const [bottom, top] = [below, below + (bar[state] ?? 0)].map((value) => height - (value / max) * height)
          return bottom === top ? '' : `M${index + 0.1} ${bottom}V${top}H${index + 0.9}V${bottom}Z`
        })
        setAttribute(path, 'd', drawn.join('') || 'M0 0')
      })
      const totals = states.map((_state, state) => sum(bars.map((bar) => bar[state] ?? 0)))
      const text = states
        .map((state, index) => `${count(totals[index] ?? 0)} ${words[state]}`)
        .filter((_text, index) => index === 0 || (totals[index] ?? 0) > 0)
        .join(', ')
      setText(said, text)
      setAttribute(chart, 'aria-label', `${plural(sum(totals), 'message')} by ${name} in 15 minutes: ${text}`)
    },
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
