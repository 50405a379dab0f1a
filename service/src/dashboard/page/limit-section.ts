import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setText, show } from './dom.ts'
import { count, share } from './format.ts'
import { keyed, type Row } from './keyed.ts'
import type { LimitUse } from './wire.ts'

const shownMax = 8
const windowMs = 300_000

/** What limiters have decided, those with most refusals first. */
export function limitSection(board: Board): { update(): void } {
  const body = h('tbody')
  const table = h(
    'table',
    {},
    h('caption', { class: 'for-screen-readers' }, 'Decisions of limiters within 5 minutes'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...['Organization', 'Limit', 'Allowed', 'Refused', ''].map((text) => h('th', { scope: 'col' }, text)),
      ),
    ),
    body,
  )
  const said = h('p', { class: 'quiet' }, 'Nothing was asked of a limit within 5 minutes.')
  const more = h('p', { class: 'quiet' })
  const draw = keyed<LimitUse>(body, keyOf, useRow)
  sectionOf('limits').append(table, said, more)
  return {
    update() {
      const uses = usesSince(board, board.now() - windowMs)
      draw(uses.slice(0, shownMax))
      show(table, uses.length > 0)
      show(said, uses.length === 0)
      setText(more, `and ${count(uses.length - shownMax)} more with fewer refusals`)
      show(more, uses.length > shownMax)
    },
  }
}

function usesSince(board: Board, at: number): readonly LimitUse[] {
  const sums = new Map<string, LimitUse>()
  for (const bucket of board.buckets())
    for (const use of bucket.at < at ? [] : bucket.decisions) {
      const { allowed, refused, degraded } = sums.get(keyOf(use)) ?? { allowed: 0, refused: 0, degraded: 0 }
      sums.set(keyOf(use), {
        ...use,
        allowed: allowed + use.allowed,
        refused: refused + use.refused,
        degraded: degraded + use.degraded,
      })
    }
  return [...sums.values()].toSorted((a, b) => b.refused - a.refused || b.allowed - a.allowed)
}

function keyOf({ organization, name }: LimitUse): string {
  return `${organization}\n${name}`
}

function useRow({ organization, name }: LimitUse): Row<LimitUse> {
  const [allowed, refused, note] = [
    h('td', { class: 'number' }),
    h('td', { class: 'number' }),
    h('td', { class: 'quiet' }),
  ]
  const element = h(
    'tr',
    {},
    h('td', {}, organization === '' ? 'others' : organization),
    h('td', {}, name),
    allowed,
    refused,
    note,
  )
  return {
    element,
    update(use) {
      setText(allowed, count(use.allowed))
      setText(refused, count(use.refused))
      const degraded = use.degraded > 0 ? ` · ${count(use.degraded)} without the store` : ''
      setText(note, `${use.refused > 0 ? `${share(use.refused, use.allowed + use.refused)} refused` : ''}${degraded}`)
      element.className = use.refused > 0 ? 'is-warn' : ''
    },
  }
}
