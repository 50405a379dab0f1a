import { ask } from './api.ts'
import { h, setAttribute, setText } from './dom.ts'
import { count } from './format.ts'
import { keyed, type Row } from './keyed.ts'
import { attempt, notify } from './notice.ts'

interface Redrive {
  readonly id: string
  readonly organization: string
  readonly state: 'running' | 'paused' | 'done' | 'cancelled'
  readonly done: number
  readonly total: number
  readonly delivered: number
  readonly failed: number
  readonly parked: number
}

const lookMs = 500
const shownMax = 6

/** Redrives that were begun here, or are under way, and how far they are. */
export function redriveList(onEnd: () => void): { readonly element: HTMLElement; watch(id: string): void } {
  const element = h('ul', { class: 'redrives', 'aria-label': 'Redrives' })
  const draw = keyed<Redrive>(element, ({ id }) => id, redriveRow)
  const watched = new Map<string, Redrive | undefined>()
  let timer: number | undefined
  return {
    element,
    watch(id) {
      watched.set(id, undefined)
      for (const known of watched.keys()) if (watched.size > shownMax) watched.delete(known)
      timer ??= setTimeout(() => void look(), 0)
    },
  }

  async function look(): Promise<void> {
    timer = undefined
    await attempt(async () => {
      for (const [id, known] of watched) {
        if (known !== undefined && isOver(known)) continue
        const next = await ask<Redrive>('GET', `/v1/redrives/${encodeURIComponent(id)}`)
        watched.set(id, next)
        if (isOver(next)) end(next)
      }
    })
    draw([...watched.values()].filter((redrive) => redrive !== undefined))
    if ([...watched.values()].some((redrive) => redrive === undefined || !isOver(redrive)))
      timer ??= setTimeout(() => void look(), lookMs)
  }

  function end({ delivered, failed, parked }: Redrive): void {
    const lost = failed + parked
    notify(`Redrive: ${count(delivered)} arrived, ${count(lost)} did not`, lost === 0 ? 'good' : 'bad')
    onEnd()
  }
}

function redriveRow({ id, organization }: Redrive): Row<Redrive> {
  const progress = h('progress', { 'aria-label': `Redrive of ${organization}` })
  const said = h('span', { class: 'quiet' })
  const cancel = h(
    'button',
    { type: 'button', click: () => void attempt(() => ask('DELETE', `/v1/redrives/${encodeURIComponent(id)}`)) },
    'Cancel',
  )
  return {
    element: h('li', {}, h('span', { class: 'name' }, organization), progress, said, cancel),
    update(redrive) {
      setAttribute(progress, 'max', Math.max(1, redrive.total))
      setAttribute(progress, 'value', redrive.done)
      const { state, done, total, delivered, failed, parked } = redrive
      setText(
        said,
        `${state}: ${count(done)} of ${count(total)}, ${count(delivered)} arrived, ${count(failed + parked)} did not`,
      )
      cancel.hidden = isOver(redrive)
    },
  }
}

function isOver({ state }: Redrive): boolean {
  return state === 'done' || state === 'cancelled'
}
