import { ask, withQuery } from './api.ts'
import type { Alert } from './alert.ts'
import type { Board } from './board.ts'
import { fill, h, setText } from './dom.ts'
import { clock } from './format.ts'
import { attempt } from './notice.ts'

interface Receiver {
  readonly name: string
  readonly channel: string
  readonly state: string
  readonly reason?: string
  readonly lastError?: string
  readonly attempts: readonly { readonly at: number; readonly error?: string }[]
}

/** An alert, and what has become of it for each receiver. */
export function alertDialog(board: Board): (alert: Alert) => Promise<void> {
  const title = h('h3', { id: 'alert-title' })
  const content = h('div')
  const close = h('button', { type: 'button', click: () => dialog.close() }, 'Close')
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'alert-title' },
    h('div', { class: 'panel-head' }, title, close),
    content,
  )
  document.body.append(dialog)

  return async ({ id, organization }) => {
    await attempt(async () => {
      const path = withQuery(`/v1/alerts/${encodeURIComponent(id)}`, { organization })
      const alert = await ask<Alert & { readonly receivers: readonly Receiver[] }>('GET', path)
      setText(title, alert.title)
      fill(
        content,
        h('p', { class: 'story' }, alert.message),
        h(
          'p',
          { class: 'quiet' },
          `${alert.severity} · ${alert.status} · ${alert.type} · ${clock(alert.acceptedAt, board.now())} · ${id}`,
        ),
        h('h4', {}, 'Receivers'),
        h('ul', { class: 'receivers' }, ...alert.receivers.map((receiver) => receiverRow(receiver, board.now()))),
        alert.receivers.length === 0 && h('p', { class: 'quiet' }, 'Nobody receives it.'),
      )
      dialog.showModal()
    })
  }
}

function receiverRow({ name, channel, state, reason, lastError, attempts }: Receiver, now: number): HTMLElement {
  const last = attempts.at(-1)
  const tries = last === undefined ? 'not tried' : `${attempts.length}×, last ${clock(last.at, now)}`
  return h(
    'li',
    {},
    h('span', { class: 'name' }, name),
    h('span', { class: `badge is-${state}` }, state === 'deadLettered' ? 'dead-lettered' : state),
    h('span', { class: 'quiet' }, [channel, tries, reason].filter((part) => part !== undefined).join(' · ')),
    lastError !== undefined && h('span', { class: 'error' }, lastError),
  )
}
