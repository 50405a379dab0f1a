import type { Alert } from './alert.ts'
import { ask, withQuery } from './api.ts'
import { alertDialog } from './alert-dialog.ts'
import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { fill, h, setText, show } from './dom.ts'
import { count, span } from './format.ts'
import { attempt } from './notice.ts'

interface AlertPage {
  readonly items: readonly Alert[]
  readonly next?: string
}

/** Alerts of one organization: how many there are, and those that hold a text. */
export function alertSection(board: Board): { update(): void; refresh(): Promise<void> } {
  const organization = h('select', { 'aria-label': 'Organization', change: () => void load() })
  const text = h('input', {
    type: 'search',
    name: 'q',
    placeholder: 'Title, message, type or label',
    'aria-label': 'Search alerts',
    maxlength: 200,
  })
  const form = h(
    'form',
    { class: 'tools', role: 'search', submit: search },
    organization,
    text,
    h('button', { type: 'submit' }, 'Search'),
  )
  const said = h('p', { class: 'quiet', role: 'status' })
  const list = h('ul', { class: 'alerts' })
  const more = h('button', { type: 'button', class: 'more', hidden: true, click: () => void find(next) }, 'Show more')
  const openAlert = alertDialog(board)
  let next: string | undefined
  let known = ''
  /** What was asked for last: an answer to what was asked before is not shown. */
  let asked = 0
  let isSearch = false
  sectionOf('alerts').append(form, said, list, more)
  return {
    update() {
      const names = board.view?.organizations ?? []
      if (names.join('\n') === known) return
      known = names.join('\n')
      fill(organization, ...names.map((name) => h('option', { value: name }, name)))
      show(organization, names.length > 1)
      void load()
    },
    /** How many there are now; what was found stays. */
    async refresh() {
      if (organization.value !== '' && !isSearch) await tellCounts()
    },
  }

  function search(event: Event): void {
    event.preventDefault()
    void load()
  }

  async function load(): Promise<void> {
    if (organization.value === '') return
    isSearch = text.value.trim() !== ''
    if (isSearch) return find(undefined)
    fill(list)
    show(more, false)
    await attempt(tellCounts)
  }

  async function tellCounts(): Promise<void> {
    const answer = await latest<{ readonly total: number; readonly firing: number; readonly resolved: number }>(
      withQuery('/v1/stats/overview', { organization: organization.value }),
    )
    if (answer === undefined) return
    const { total, firing, resolved } = answer
    setText(
      said,
      `${count(total)} alerts kept: ${count(firing)} firing, ${count(resolved)} resolved. Search for some of them.`,
    )
  }

  async function find(cursor: string | undefined): Promise<void> {
    await attempt(async () => {
      const query = { organization: organization.value, q: text.value.trim(), limit: 20, cursor }
      const page = await latest<AlertPage>(withQuery('/v1/search', query))
      if (page === undefined) return
      if (cursor === undefined) fill(list)
      list.append(...page.items.map(alertRow))
      next = page.next
      show(more, next !== undefined)
      setText(
        said,
        list.childElementCount === 0
          ? 'No alert holds that.'
          : `The newest ${count(list.childElementCount)} that hold it.`,
      )
    })
  }

  /** `undefined` when something else was asked for meanwhile. */
  async function latest<T>(path: string): Promise<T | undefined> {
    const own = (asked += 1)
    const answer = await ask<T>('GET', path)
    return own === asked ? answer : undefined
  }

  function alertRow(alert: Alert): HTMLElement {
    const { title, severity, status, type, acceptedAt } = alert
    return h(
      'li',
      {},
      h(
        'button',
        { type: 'button', class: 'letter', click: () => void openAlert(alert) },
        h('span', { class: 'error' }, h('span', { class: `badge is-${severity}` }, severity), ' ', title),
        h('span', { class: 'quiet' }, `${status} · ${type} · ${span(board.now() - acceptedAt)} ago`),
      ),
    )
  }
}
