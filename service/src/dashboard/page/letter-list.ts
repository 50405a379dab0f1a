import { ask } from './api.ts'
import type { Board } from './board.ts'
import { h, setText, show } from './dom.ts'
import { plural, span } from './format.ts'
import { keyed, type Row } from './keyed.ts'
import { errorTypeText, type Letter, type LetterGroup, type LetterListener, lettersPath } from './letter.ts'
import { letterDialog } from './letter-dialog.ts'
import { attempt } from './notice.ts'

interface LetterPage {
  readonly items: readonly Letter[]
  readonly next?: string
}

/** The letters of one group, a page at a time. */
export function letterList(
  board: Board,
  listener: LetterListener,
): { readonly element: HTMLElement; open(group: LetterGroup): void; refresh(): void } {
  let group: LetterGroup | undefined
  let items: readonly Letter[] = []
  let next: string | undefined
  const title = h('h3', { tabindex: -1 })
  const said = h('p', { class: 'quiet' })
  const list = h('ul', { class: 'letters' })
  const more = h('button', { type: 'button', class: 'more', click: () => void loadMore() }, 'Show 20 more')
  const close = h('button', { type: 'button', click: leave }, 'Close')
  const element = h(
    'div',
    { class: 'panel', hidden: true },
    h('div', { class: 'panel-head' }, title, close),
    said,
    list,
    more,
  )
  const draw = keyed<Letter>(list, ({ id }) => id, letterRow)
  const openLetter = letterDialog(board, listener)
  return {
    element,
    open(chosen) {
      group = chosen
      setText(title, `${chosen.organization} · ${chosen.channel} · ${errorTypeText(chosen.errorType)}`)
      show(element, true)
      void attempt(loadFirst).then(() => title.focus())
    },
    refresh() {
      if (group !== undefined) void attempt(loadFirst)
    },
  }

  function leave(): void {
    group = undefined
    show(element, false)
  }

  async function loadFirst(): Promise<void> {
    if (group === undefined) return
    take(await ask<LetterPage>('GET', lettersPath(group, undefined)), [])
  }

  async function loadMore(): Promise<void> {
    await attempt(async () => {
      if (group !== undefined) take(await ask<LetterPage>('GET', lettersPath(group, next)), items)
    })
  }

  function take(page: LetterPage, before: readonly Letter[]): void {
    items = [...before, ...page.items]
    next = page.next
    draw(items)
    setText(said, items.length === 0 ? 'None is left.' : `The newest ${plural(items.length, 'letter')}.`)
    show(more, next !== undefined)
  }

  function letterRow(first: Letter): Row<Letter> {
    const [text, note] = [h('span', { class: 'error' }), h('span', { class: 'quiet' })]
    const button = h('button', { type: 'button', class: 'letter', click: () => void openLetter(first.id) }, text, note)
    return {
      element: h('li', {}, button),
      update({ error, createdAt, redriveCount, parked, payload }) {
        setText(text, [titleOf(payload), error.message].filter((part) => part !== '').join(' — '))
        const again = redriveCount === 0 ? '' : ` · ${plural(redriveCount, 'redrive')}`
        setText(note, `${span(board.now() - createdAt)} ago${again}${parked ? ' · parked' : ''}`)
      },
    }
  }
}

/** What an alert's letter is about. */
function titleOf(payload: unknown): string {
  const alert = fieldOf(payload, 'alert')
  const title = fieldOf(alert, 'title')
  return typeof title === 'string' ? title : ''
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
