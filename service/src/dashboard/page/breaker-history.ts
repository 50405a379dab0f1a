import { ask } from './api.ts'
import type { Board } from './board.ts'
import { fill, h } from './dom.ts'
import { clock, reasonText } from './format.ts'
import type { Counts } from './wire.ts'

/** An entry as the service gives it; what stands in the event depends on its type. */
interface HistoryEntry {
  readonly seq: number
  readonly at: number
  readonly accepted: boolean
  readonly why?: string
  readonly event: {
    readonly type: string
    readonly by?: string
    readonly reason?: string
    readonly counts?: Counts
    readonly order?: { readonly by: string; readonly reason: string }
  }
}

const entriesMax = 12

/** What the log has of a breaker, the newest first. Asked for anew when something has changed. */
export function breakerHistory(
  name: string,
  board: Board,
): { readonly element: HTMLElement; update(changes: number): void } {
  const list = h('ol', { class: 'history' })
  let known = -1
  return {
    element: h('div', {}, h('h4', {}, 'What the log says'), list),
    update(changes) {
      if (changes === known) return
      known = changes
      void load()
    },
  }

  async function load(): Promise<void> {
    try {
      const path = `/v1/breakers/${encodeURIComponent(name)}/history?limit=${entriesMax}`
      const { items } = await ask<{ readonly items: readonly HistoryEntry[] }>('GET', path)
      fill(list, ...items.map(entryOf), items.length === 0 && h('li', { class: 'quiet' }, 'Nothing yet.'))
    } catch (error) {
      fill(list, h('li', { class: 'quiet' }, error instanceof Error ? error.message : 'It cannot be read.'))
    }
  }

  function entryOf({ at, accepted, why, event }: HistoryEntry): HTMLElement {
    const { type, reason = event.order?.reason ?? '', by = event.order?.by ?? '', counts } = event
    const told = counts === undefined ? reason : reasonText(reason, counts)
    return h(
      'li',
      { class: accepted ? '' : 'not-taken' },
      h('time', {}, clock(at, board.now())),
      h('strong', {}, words(type)),
      h('span', {}, told),
      h('span', { class: 'quiet' }, by, !accepted && ` · not taken: ${why ?? ''}`),
    )
  }
}

/** `io.switchgear.breaker.probeClaimed.v1` → `probe claimed` */
function words(type: string): string {
  const name = type.replace(/^io\.switchgear\.breaker\./, '').replace(/\.v1$/, '')
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
