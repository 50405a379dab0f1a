import { ApiError, ask } from './api.ts'
import type { Board } from './board.ts'
import { fill, h, setText } from './dom.ts'
import { clock } from './format.ts'
import { errorTypeText, type Letter, type LetterListener } from './letter.ts'
import { attempt, notify } from './notice.ts'

const attemptsMax = 20

/** One letter, whole: why it is here, what would be sent, which can be changed, and sending it again. */
export function letterDialog(board: Board, { onChange, onRedrive }: LetterListener): (id: string) => Promise<void> {
  const title = h('h3', { id: 'letter-title' })
  const facts = h('div')
  const payload = h('textarea', { 'aria-label': 'What is sent, as JSON', spellcheck: 'false', rows: 14 })
  const said = h('p', { class: 'complaint', role: 'alert' })
  const save = button('Save', () => void change())
  const again = button('Redrive', () => void redrive(), 'primary')
  const park = button('Park', () => void setParked())
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'letter-title', class: 'wide' },
    h(
      'div',
      { class: 'panel-head' },
      title,
      button('Close', () => dialog.close()),
    ),
    facts,
    h('h4', {}, 'What is sent'),
    payload,
    said,
    h('div', { class: 'buttons' }, save, again, park),
  )
  document.body.append(dialog)
  let letter: Letter | undefined

  return async (id) => {
    const isThere = await attempt(async () => take(await ask<Letter>('GET', pathOf(id))))
    if (isThere) dialog.showModal()
  }

  function take(next: Letter): void {
    letter = next
    setText(title, `${next.organization} · ${next.channel} · ${errorTypeText(next.errorType)}`)
    fill(facts, ...factsOf(next, board.now()))
    payload.value = JSON.stringify(next.payload, undefined, 2)
    setText(park, next.parked ? 'Unpark' : 'Park')
    setText(said, '')
  }

  /** Gives whether it is saved, also where there was nothing to save. */
  async function change(): Promise<boolean> {
    if (letter === undefined) return false
    const parsed = parse(payload.value)
    setText(said, parsed.complaint ?? '')
    if (parsed.complaint !== undefined) return false
    if (JSON.stringify(parsed.value) === JSON.stringify(letter.payload)) return true
    const { id, version } = letter
    return attempt(async () => {
      try {
        take(await ask<Letter>('PATCH', pathOf(id), { payload: parsed.value, version }))
      } catch (error) {
        if (error instanceof ApiError && error.status === 409)
          setText(said, 'Somebody else has changed it meanwhile: close it, and look again.')
        throw error
      }
      notify('The letter is changed', 'good')
      onChange()
    })
  }

  async function redrive(): Promise<void> {
    // What stands in the field is what is sent.
    if (letter === undefined || !(await change())) return
    const { id } = letter
    await attempt(async () => {
      onRedrive((await ask<{ readonly id: string }>('POST', '/v1/dead-letters/redrive', { ids: [id] })).id)
      notify('The letter will be sent again')
      dialog.close()
    })
  }

  async function setParked(): Promise<void> {
    if (letter === undefined) return
    const { id, parked } = letter
    await attempt(async () => {
      await ask('POST', `/v1/dead-letters/${parked ? 'unpark' : 'park'}`, { ids: [id] })
      take(await ask<Letter>('GET', pathOf(id)))
      onChange()
    })
  }
}

function button(text: string, click: () => void, kind?: string): HTMLButtonElement {
  return h('button', { type: 'button', class: kind, click }, text)
}

function pathOf(id: string): string {
  return `/v1/dead-letters/${encodeURIComponent(id)}`
}

function factsOf(
  { error, attempts, messageId, createdAt, redriveCount, parked }: Letter,
  now: number,
): readonly HTMLElement[] {
  const code = error.code === undefined ? '' : ` (${error.code})`
  const tries = attempts
    .slice(-attemptsMax)
    .map((each) => h('li', {}, h('time', {}, clock(each.at, now)), h('span', {}, each.error)))
  const facts = [
    `Message ${messageId}`,
    `here since ${clock(createdAt, now)}`,
    `redriven ${redriveCount}×`,
    ...(parked ? ['parked'] : []),
  ]
  return [
    h('p', { class: 'story' }, `${error.name}${code}: ${error.message}`),
    h('p', { class: 'quiet' }, facts.join(' · ')),
    ...(tries.length === 0 ? [] : [h('h4', {}, 'Attempts'), h('ol', { class: 'history' }, ...tries)]),
  ]
}

function parse(text: string): { readonly value: unknown; readonly complaint?: string } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    return { value: undefined, complaint: `This is no JSON: ${error instanceof Error ? error.message : ''}` }
  }
}
