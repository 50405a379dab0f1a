import type { Board } from './board.ts'
import { breakerHistory } from './breaker-history.ts'
import { type BreakerItem, probeIn } from './breaker-item.ts'
import { h, setText, show } from './dom.ts'
import { clock, count, plural, reasonText, span } from './format.ts'
import { keyed } from './keyed.ts'
import { drawLane, laneElement, ownSegments } from './lane.ts'
import { orderForm } from './order-form.ts'
import type { BreakerView, InstanceView } from './wire.ts'

/** Instances that have a lane of their own here. */
const instancesMax = 12

export interface BreakerDetails {
  readonly element: HTMLElement
  update(item: BreakerItem): void
}

/** Why a breaker stands as it does, on what counts, who did it, what comes next, its instances, and orders. */
export function breakerDetails(first: BreakerItem, board: Board): BreakerDetails {
  const { name } = first.breaker
  const story = h('p', { class: 'story' })
  const facts = h('dl', { class: 'facts' })
  const fact = factsIn(facts)
  const lanes = h('ul', { class: 'own-lanes' })
  const history = breakerHistory(name, board)
  let shown = first
  const draw = keyed<InstanceView>(lanes, ({ instance }) => instance, laneOf)
  const isOperator = board.view?.organization === undefined
  const element = h(
    'div',
    {},
    story,
    facts,
    isOperator && h('h4', {}, 'Each instance’s own lane'),
    isOperator && lanes,
    isOperator && orderForm(name, board),
    history.element,
  )
  return {
    element,
    update(item) {
      const { breaker } = item
      shown = item
      const now = board.now()
      setText(story, inWords(breaker, now))
      const { counts } = breaker
      fact('calls', count(counts.calls))
      fact('failures', count(counts.failures))
      fact('in a row', count(counts.consecutiveFailures))
      fact('slow', count(counts.slow))
      fact('term', count(breaker.term))
      fact('failed recoveries', count(breaker.failedRecoveries))
      draw(withLanes(name, board, item.alone))
      history.update(board.transitionsOf(name).length)
    },
  }

  function laneOf({ instance }: InstanceView): { readonly element: HTMLElement; update(item: InstanceView): void } {
    const lane = laneElement()
    const said = h('span', { class: 'why' })
    return {
      element: h('li', {}, h('span', { class: 'name' }, instance), lane, said),
      update({ standing, own }) {
        const now = board.now()
        const { breaker, windowMs } = shown
        const window = { fromAt: now - windowMs, untilAt: now }
        drawLane(lane, ownSegments(board.transitionsOf(name), instance, breaker, window), window)
        const alone = own.find((each) => each.breaker === name)
        setText(
          said,
          alone === undefined ? (standing === 'agrees' ? 'with the fleet' : standing) : `alone: ${alone.reason}`,
        )
      },
    }
  }
}

/** Those that hold it otherwise, then the others, as many as there is room for. */
function withLanes(name: string, board: Board, alone: readonly InstanceView[]): readonly InstanceView[] {
  const all = board.summary?.fleet.instances ?? []
  const others = all.filter(({ own }) => !own.some(({ breaker }) => breaker === name))
  return [...alone, ...others].slice(0, instancesMax)
}

function factsIn(list: HTMLElement): (name: string, value: string) => void {
  const values = new Map<string, HTMLElement>()
  return (name, value) => {
    let place = values.get(name)
    if (place === undefined) {
      place = h('dd')
      values.set(name, place)
      list.append(h('div', {}, h('dt', {}, name), place))
    }
    setText(place, value)
    show(place, true)
  }
}

function inWords(breaker: BreakerView, now: number): string {
  const { mode, sinceAt, by, reason, counts, scope, retryAt, probe, failedRecoveries } = breaker
  const since = sinceAt > 0 ? ` since ${clock(sinceAt, now)} (${span(now - sinceAt)})` : ''
  const who = by === '' ? '' : ` by ${by}`
  const where = scope === 'local' ? 'on this instance alone' : 'for the whole fleet'
  const again = failedRecoveries > 0 ? ` ${plural(failedRecoveries, 'recovery', 'recoveries')} failed before.` : ''
  switch (mode) {
    case 'closed':
      return sinceAt > 0 ? `Closed${since}: ${reason}${who}. The counts are since then.` : 'Closed from the start.'
    case 'open':
      return `Open ${where}${since}: ${reasonText(reason, counts)}, seen${who}. Calls are refused; ${probeIn(retryAt, now)}.${again}`
    case 'halfOpen':
      return probe === undefined
        ? `Half-open ${where}${since}: the next call is the probe.${again}`
        : `Half-open ${where}${since}: ${probe.holder} runs probe ${probe.attempt}, all others are refused.${again}`
    case 'forcedOpen':
      return `Forced open${since}${who}: ${reason}. Calls are refused ${ending(retryAt, now)}.`
    case 'disabled':
      return `Disabled${since}${who}: ${reason}. Every call goes through, uncounted, ${ending(retryAt, now)}.`
  }
}

function ending(retryAt: number | undefined, now: number): string {
  return retryAt === undefined ? 'until it is released' : `for ${span(retryAt - now)} more`
}
