import type { Board } from './board.ts'
import type { BreakerItem } from './breaker-item.ts'
import { breakerRow } from './breaker-row.ts'
import { h, setText, show } from './dom.ts'
import { plural } from './format.ts'
import { keyed } from './keyed.ts'
import { sectionOf } from './section.ts'
import type { InstanceView, Mode } from './wire.ts'

/** Breakers that are shown at once; there is a button for more. */
const shownAtOnce = 40

const badness: Readonly<Record<Mode, number>> = { open: 0, halfOpen: 1, forcedOpen: 2, disabled: 3, closed: 4 }

/** The lanes: the worst first, those that changed last before others. */
export function breakerSection(board: Board): { update(): void } {
  const section = sectionOf('breakers')
  const filter = h('input', {
    type: 'search',
    placeholder: 'Filter by name',
    'aria-label': 'Filter breakers by name',
    input: update,
  })
  const onlyBad = h('input', { type: 'checkbox', id: 'only-bad', change: update })
  const range = h(
    'select',
    { 'aria-label': 'How far back the lanes go', change: update },
    ...[5, 15, 60].map((minutes) => h('option', { value: minutes, selected: minutes === 15 }, `${minutes} min`)),
  )
  const list = h('ul', { class: 'breakers' })
  const said = h('p', { class: 'quiet', role: 'status' })
  let shownMax = shownAtOnce
  const more = h('button', { type: 'button', class: 'more', click: showMore })
  const draw = keyed<BreakerItem>(
    list,
    ({ breaker }) => breaker.name,
    (item) => breakerRow(item, board),
  )
  section.append(
    h('div', { class: 'tools' }, filter, h('label', { for: 'only-bad' }, onlyBad, ' not closed'), range, legend()),
    list,
    said,
    more,
  )
  return { update }

  function showMore(): void {
    shownMax += shownAtOnce
    update()
  }

  function update(): void {
    const wanted = filter.value.trim().toLowerCase()
    const windowMs = Number(range.value) * 60_000
    const alone = aloneByBreaker(board)
    const found = [...board.breakers.values()]
      .map((breaker) => ({ breaker, alone: alone.get(breaker.name) ?? [], windowMs }))
      .filter(({ breaker }) => breaker.name.toLowerCase().includes(wanted))
      .filter((item) => !onlyBad.checked || item.breaker.mode !== 'closed' || item.alone.length > 0)
      .toSorted(worstFirst)
    draw(found.slice(0, shownMax))
    setText(said, saying(found.length, board.breakers.size))
    show(said, found.length === 0 || found.length < board.breakers.size)
    setText(more, `Show ${Math.min(shownAtOnce, found.length - shownMax)} more of ${found.length}`)
    show(more, found.length > shownMax)
  }
}

function worstFirst(a: BreakerItem, b: BreakerItem): number {
  return (
    badness[a.breaker.mode] - badness[b.breaker.mode] ||
    b.alone.length - a.alone.length ||
    b.breaker.sinceAt - a.breaker.sinceAt ||
    (a.breaker.name < b.breaker.name ? -1 : 1)
  )
}

function aloneByBreaker(board: Board): ReadonlyMap<string, readonly InstanceView[]> {
  const found = new Map<string, InstanceView[]>()
  for (const instance of board.summary?.fleet.instances ?? [])
    for (const { breaker } of instance.own) found.set(breaker, [...(found.get(breaker) ?? []), instance])
  return found
}

function saying(found: number, all: number): string {
  if (all === 0) return 'No breaker yet: each destination gets one with its first message.'
  if (found === 0) return 'None of them.'
  return `${found} of ${plural(all, 'breaker')}.`
}

function legend(): HTMLElement {
  const entry = (mode: Mode, text: string): HTMLElement =>
    h(
      'span',
      { class: 'legend-entry' },
      h('span', { class: 'lane sample', 'aria-hidden': 'true' }, h('span', { class: `segment is-${mode}` })),
      text,
    )
  return h(
    'span',
    { class: 'legend' },
    entry('closed', 'closed'),
    entry('open', 'open'),
    entry('halfOpen', 'probing'),
    entry('forcedOpen', 'ordered'),
  )
}
