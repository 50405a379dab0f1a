import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setAttribute, setText, show } from './dom.ts'
import { count, plural, span } from './format.ts'
import { keyed } from './keyed.ts'
import type { InstanceView, Standing } from './wire.ts'

/** The worst first; of one, and of several. */
const standings: readonly (readonly [Standing, string, string])[] = [
  ['differs', 'differs', 'differ'],
  ['cutOff', 'is cut off', 'are cut off'],
  ['silent', 'is silent', 'are silent'],
  ['lags', 'lags', 'lag'],
  ['agrees', 'agrees', 'agree'],
]

const words: Readonly<Record<Standing, string>> = {
  agrees: 'agrees',
  lags: 'lags',
  differs: 'differs',
  cutOff: 'cut off from the log',
  silent: 'silent',
}

/** Who agrees, who lags, who is cut off: shares of all, and the worst by name. */
export function fleetSection(board: Board): { update(): void } {
  const bars = new Map(standings.map(([standing]) => [standing, h('span', { class: `share is-${standing}` })]))
  const bar = h('div', { class: 'shares', role: 'img' }, ...bars.values())
  const said = h('p', { class: 'quiet' })
  const list = h('ul', { class: 'instances' })
  const more = h('p', { class: 'quiet' })
  const draw = keyed<InstanceView>(list, ({ instance }) => instance, instanceRow)
  sectionOf('fleet').append(bar, said, list, more)
  return { update }

  function update(): void {
    const view = board.summary?.fleet
    if (view === undefined) return
    const present = standings.filter(([standing]) => view.standings[standing] > 0)
    const text = present
      .map(([standing, one, several]) => [view.standings[standing], one, several] as const)
      .map(([number, one, several]) => `${count(number)} ${number === 1 ? one : several}`)
      .join(', ')
    for (const [standing, element] of bars) element.style.flexGrow = String(view.standings[standing])
    setAttribute(bar, 'aria-label', text)
    setText(said, `${text}, of ${plural(view.total, 'instance')}, as ${board.view?.instance ?? ''} hears them.`)
    draw(view.instances)
    const left = view.total - view.instances.length
    setText(more, board.view?.organization === undefined ? `and ${count(left)} more, none of them worse` : '')
    show(more, left > 0)
  }

  function instanceRow(first: InstanceView): { readonly element: HTMLElement; update(item: InstanceView): void } {
    const standing = h('span')
    const note = h('span', { class: 'quiet' })
    const own = first.instance === board.view?.instance
    const name = h('span', { class: 'name' }, first.instance, own && h('em', {}, ' this one'))
    return {
      element: h('li', {}, name, standing, note),
      update(item) {
        setText(standing, words[item.standing])
        setAttribute(standing, 'class', `badge is-${item.standing}`)
        setText(note, noteOf(item, board.now()))
      },
    }
  }
}

function noteOf({ standing, heardAt, startedAt, seq, own }: InstanceView, now: number): string {
  if (standing === 'silent') return `heard ${span(now - heardAt)} ago`
  const alone = own.length === 0 ? '' : ` · alone: ${own.map(({ breaker }) => breaker).join(', ')}`
  return `at ${count(seq)} · up ${span(now - startedAt)}${alone}`
}
