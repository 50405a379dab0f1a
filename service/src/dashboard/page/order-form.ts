import { ask } from './api.ts'
import type { Board } from './board.ts'
import { h } from './dom.ts'
import { modeText } from './format.ts'
import { attempt, notify } from './notice.ts'
import type { BreakerView } from './wire.ts'

const byKey = 'switchgear.by'

type Order = 'force-open' | 'disable' | 'release'

/** Orders to the whole fleet, which need a name and a reason. */
export function orderForm(name: string, board: Board): HTMLElement {
  const by = h('input', {
    name: 'by',
    required: true,
    maxlength: 128,
    autocomplete: 'name',
    value: sessionStorage.getItem(byKey) ?? '',
  })
  const reason = h('input', { name: 'reason', required: true, maxlength: 512, autocomplete: 'off' })
  const minutes = h('input', {
    name: 'minutes',
    type: 'number',
    min: 1,
    max: 35_000,
    placeholder: '∞',
    inputmode: 'numeric',
  })
  const button = (order: Order, text: string): HTMLElement => h('button', { type: 'submit', value: order }, text)
  const form = h(
    'form',
    { class: 'order', submit: give },
    h('label', {}, 'Your name', by),
    h('label', { class: 'wide' }, 'Reason', reason),
    h('label', {}, 'Minutes', minutes),
    h(
      'div',
      { class: 'buttons' },
      button('force-open', 'Force open'),
      button('disable', 'Disable'),
      button('release', 'Release'),
    ),
  )
  return h('div', {}, h('h4', {}, 'Order the whole fleet'), form)

  function give(event: Event): void {
    event.preventDefault()
    const order =
      event instanceof SubmitEvent && event.submitter instanceof HTMLButtonElement ? event.submitter.value : ''
    sessionStorage.setItem(byKey, by.value)
    const forMs = minutes.value === '' || order === 'release' ? undefined : Number(minutes.value) * 60_000
    void attempt(async () => {
      const path = `/v1/breakers/${encodeURIComponent(name)}/${order}`
      const state = await ask<BreakerView>('POST', path, {
        by: by.value,
        reason: reason.value,
        ...(forMs === undefined ? {} : { forMs }),
      })
      board.onBreakers([state])
      notify(`${name} is ${modeText(state.mode)}`, 'good')
      reason.value = ''
    })
  }
}
