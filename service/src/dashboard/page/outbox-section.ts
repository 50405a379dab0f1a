import { ask } from './api.ts'
import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setText } from './dom.ts'
import { span } from './format.ts'
import { keyed, type Row } from './keyed.ts'

interface Kept {
  readonly id: string
  readonly organization: string
  readonly receiver: string
  readonly channel: string
  readonly message: unknown
  readonly at: number
}

/** What was kept instead of sent, since its channel has no settings; the newest. */
export function outboxSection(board: Board): { load(): Promise<void> } {
  const said = h('p', { class: 'quiet' })
  const list = h('ul', { class: 'outbox' })
  const draw = keyed<Kept>(list, ({ id }) => id, keptRow)
  sectionOf('outbox').append(said, list)
  return {
    async load() {
      const { items } = await ask<{ readonly items: readonly Kept[] }>('GET', '/v1/outbox?limit=10')
      draw(items)
      setText(
        said,
        items.length === 0
          ? 'Empty: every channel in use has settings.'
          : 'The newest messages of channels without settings.',
      )
    },
  }

  function keptRow({ organization, receiver, channel, message, at }: Kept): Row<Kept> {
    const text = JSON.stringify(message, undefined, 2)
    const note = h('span', { class: 'quiet' })
    return {
      element: h(
        'li',
        {},
        h(
          'details',
          {},
          h('summary', {}, `${organization} · ${receiver} · ${channel} `, note),
          h('pre', { tabindex: 0 }, text),
        ),
      ),
      update: () => setText(note, `${span(board.now() - at)} ago`),
    }
  }
}
