import type { Board } from './board.ts'
import { type BreakerItem, probeIn } from './breaker-item.ts'
import { type BreakerDetails, breakerDetails } from './breaker-details.ts'
import { h, setAttribute, setText, show } from './dom.ts'
import { modeText, reasonText, span } from './format.ts'
import type { Row } from './keyed.ts'
import { drawLane, fleetSegments, laneElement } from './lane.ts'

let rows = 0

/** A breaker in one line, and all about it when it is pressed. */
export function breakerRow(first: BreakerItem, board: Board): Row<BreakerItem> {
  const { name } = first.breaker
  const detailsId = `breaker-${(rows += 1)}`
  const mode = h('span', { class: 'mode' })
  const lane = laneElement()
  const why = h('span', { class: 'why' })
  const head = h(
    'button',
    { type: 'button', class: 'breaker-head', 'aria-expanded': 'false', 'aria-controls': detailsId, click: toggle },
    h('span', { class: 'name' }, name),
    mode,
    lane,
    why,
  )
  const place = h('div', { id: detailsId, class: 'breaker-details', hidden: true })
  const element = h('li', { class: 'breaker' }, head, place)
  let item = first
  let details: BreakerDetails | undefined
  return { element, update }

  function toggle(): void {
    const isOpen = head.getAttribute('aria-expanded') !== 'true'
    setAttribute(head, 'aria-expanded', String(isOpen))
    show(place, isOpen)
    if (isOpen) {
      details = breakerDetails(item, board)
      place.replaceChildren(details.element)
      details.update(item)
    } else {
      details = undefined
      place.replaceChildren()
    }
  }

  function update(next: BreakerItem): void {
    item = next
    const { breaker, alone, windowMs } = item
    const now = board.now()
    setAttribute(element, 'class', `breaker is-${breaker.mode}`)
    setText(mode, modeText(breaker.mode))
    setAttribute(mode, 'class', `mode badge is-${breaker.mode}`)
    setText(why, inShort(breaker, alone.length, now))
    const window = { fromAt: now - windowMs, untilAt: now }
    drawLane(lane, fleetSegments(board.transitionsOf(name), breaker, window), window)
    details?.update(item)
  }
}

function inShort(breaker: BreakerItem['breaker'], alone: number, now: number): string {
  const { mode, reason, counts, retryAt, probe, by, sinceAt, scope } = breaker
  const here = scope === 'local' ? 'here alone: ' : ''
  const others = alone > 0 ? ` · ${alone} alone` : ''
  switch (mode) {
    case 'closed':
      return `${sinceAt > 0 ? `for ${span(now - sinceAt)}` : 'always so far'}${others}`
    case 'open':
      return `${here}${reasonText(reason, counts)} · ${probeIn(retryAt, now)}${others}`
    case 'halfOpen':
      return `${here}${probe === undefined ? 'waits for a probe' : `${probe.holder} probes`}${others}`
    case 'forcedOpen':
    case 'disabled':
      return `by ${by}: ${reason}`
  }
}
