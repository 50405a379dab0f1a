import { keepToken, token } from './api.ts'
import { h, setText } from './dom.ts'

/** Asks for the token that the service wants to see. It stays in this tab. */
export function tokenDialog(onGiven: () => void): (why: string) => void {
  const said = h('p', { class: 'quiet', id: 'token-why' })
  const field = h('input', {
    type: 'password',
    name: 'token',
    autocomplete: 'current-password',
    'aria-label': 'Token',
    'aria-describedby': 'token-why',
  })
  const form = h(
    'form',
    { method: 'dialog', submit: give },
    h('h3', { id: 'token-title' }, 'Whose eyes are these?'),
    said,
    field,
    h('div', { class: 'buttons' }, h('button', { type: 'submit', class: 'primary' }, 'Show it')),
  )
  const dialog = h('dialog', { 'aria-labelledby': 'token-title' }, form)
  document.body.append(dialog)

  return (why) => {
    setText(said, why)
    field.value = token() ?? ''
    if (!dialog.open) dialog.showModal()
  }

  function give(): void {
    const given = field.value.trim()
    keepToken(given === '' ? undefined : given)
    onGiven()
  }
}
