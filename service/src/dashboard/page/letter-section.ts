import { ask } from './api.ts'
import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setText, show } from './dom.ts'
import { count, plural, span } from './format.ts'
import { keyed, type Row } from './keyed.ts'
import { errorTypeText, type LetterGroup, type LetterStats } from './letter.ts'
import { letterList } from './letter-list.ts'
import { attempt, notify } from './notice.ts'
import { redriveList } from './redrive-list.ts'

const shownAtOnce = 12

/** Dead letters by organization and error: how many, how old; looked at, changed, and sent again. */
export function letterSection(board: Board): {
  readonly stats: LetterStats | undefined
  update(): void
  load(): Promise<void>
} {
  let stats: LetterStats | undefined
  let loadedAt = 0
  let shownMax = shownAtOnce
  const said = h('p', { class: 'quiet' })
  const body = h('tbody')
  const table = h(
    'table',
    { class: 'stacks' },
    h('caption', { class: 'for-screen-readers' }, 'Dead letters by organization, channel and error'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...['Organization', 'Channel', 'Error', 'Letters', 'Oldest', ''].map((text) => h('th', { scope: 'col' }, text)),
      ),
    ),
    body,
  )
  const more = h('button', { type: 'button', class: 'more', click: showMore })
  const redrives = redriveList(() => void load())
  const letters = letterList(board, { onChange: () => void load(), onRedrive: redrives.watch })
  const draw = keyed<LetterGroup>(body, keyOf, groupRow)
  sectionOf('letters').append(said, redrives.element, table, more, letters.element)
  return {
    get stats() {
      return stats
    },
    update,
    load,
  }

  async function load(): Promise<void> {
    stats = await ask<LetterStats>('GET', '/v1/dead-letters/stats')
    loadedAt = board.now()
    update()
    letters.refresh()
  }

  function showMore(): void {
    shownMax += shownAtOnce
    update()
  }

  function update(): void {
    if (stats === undefined) return
    const rows = stats.rows.toSorted((a, b) => b.count - a.count || b.oldestAgeMs - a.oldestAgeMs)
    draw(rows.slice(0, shownMax))
    show(table, rows.length > 0)
    const { total, parked, spilled = 0 } = stats
    const aside = [parked > 0 && `${count(parked)} parked`, spilled > 0 && `${count(spilled)} wait beside the store`]
    setText(
      said,
      total === 0
        ? 'Nothing waits: every message has arrived, or is on its way.'
        : [plural(total, 'letter'), ...aside.filter((text) => text !== false)].join(', '),
    )
    setText(more, `Show more of ${plural(rows.length, 'group')}`)
    show(more, rows.length > shownMax)
  }

  function groupRow(first: LetterGroup): Row<LetterGroup> {
    const [number, oldest] = [
      h('td', { class: 'number', 'data-label': 'Letters' }),
      h('td', { class: 'number', 'data-label': 'Oldest' }),
    ]
    const of = `${first.organization}, ${first.channel}, ${errorTypeText(first.errorType)}`
    const look = h(
      'button',
      { type: 'button', 'aria-label': `Look at ${of}`, click: () => letters.open(first) },
      'Look',
    )
    const again = h(
      'button',
      { type: 'button', 'aria-label': `Redrive ${of}`, click: () => void redriveAll(first) },
      'Redrive all',
    )
    const element = h(
      'tr',
      {},
      h('td', { 'data-label': 'Organization' }, first.organization),
      h('td', { 'data-label': 'Channel' }, first.channel),
      h('td', { 'data-label': 'Error' }, h('span', { class: 'badge is-error' }, errorTypeText(first.errorType))),
      number,
      oldest,
      h('td', {}, h('div', { class: 'buttons' }, look, again)),
    )
    return {
      element,
      update(group) {
        setText(number, count(group.count))
        setText(oldest, span(group.oldestAgeMs + board.now() - loadedAt))
      },
    }
  }

  async function redriveAll({ organization, channel, errorType, count: letterCount }: LetterGroup): Promise<void> {
    await attempt(async () => {
      const filter = { organization, channel, errorType }
      const { id } = await ask<{ readonly id: string }>('POST', '/v1/dead-letters/redrive', { filter })
      notify(`${plural(letterCount, 'letter')} will be sent again`)
      redrives.watch(id)
    })
  }
}

function keyOf({ organization, channel, errorType }: LetterGroup): string {
  return [organization, channel, errorType].join('\n')
}
