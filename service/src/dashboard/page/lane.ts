import { h, setAttribute } from './dom.ts'
import { clock, modeText } from './format.ts'
import type { BreakerView, Mode, TransitionView } from './wire.ts'

/** A stretch of time in one mode; `unknown` is before anybody looked. */
export interface Segment {
  readonly fromAt: number
  readonly untilAt: number
  readonly mode: Mode | 'unknown'
}

/** Stretches that are drawn of one lane; older ones are left out. */
const segmentsMax = 48

/** The stretches of the fleet's modes in a window of time, the oldest first. */
export function fleetSegments(
  transitions: readonly TransitionView[],
  { mode, scope, sinceAt }: Pick<BreakerView, 'mode' | 'scope' | 'sinceAt'>,
  window: Window,
): readonly Segment[] {
  const changes = transitions.filter((transition) => transition.scope === 'fleet')
  const [first] = changes
  if (first !== undefined) return between(first.from, changes, window)
  if (scope === 'local') return between('closed', [], window)
  const begin = mode === 'closed' && sinceAt === 0 ? 'closed' : 'unknown'
  return between(begin, sinceAt === 0 ? [] : [{ at: sinceAt, to: mode }], window)
}

/** What one instance went by: what the fleet agreed on, and what it alone changed in between. */
export function ownSegments(
  transitions: readonly TransitionView[],
  instance: string,
  breaker: Pick<BreakerView, 'mode' | 'scope' | 'sinceAt'>,
  window: Window,
): readonly Segment[] {
  const ofIt = transitions.filter(({ scope, instance: by }) => scope === 'fleet' || by === instance)
  const [first] = ofIt
  return first === undefined ? fleetSegments([], breaker, window) : between(first.from, ofIt, window)
}

interface Window {
  readonly fromAt: number
  readonly untilAt: number
}

interface Change {
  readonly at: number
  readonly to: Mode
}

function between(begin: Mode | 'unknown', changes: readonly Change[], { fromAt, untilAt }: Window): readonly Segment[] {
  const segments: Segment[] = []
  let [at, mode] = [-Infinity, begin]
  for (const change of [...changes, { at: Infinity, to: 'closed' as const }]) {
    const segment = { fromAt: Math.max(at, fromAt), untilAt: Math.min(change.at, untilAt), mode }
    const last = segments.at(-1)
    if (segment.untilAt > segment.fromAt) {
      if (last?.mode === mode) segments[segments.length - 1] = { ...last, untilAt: segment.untilAt }
      else segments.push(segment)
    }
    ;[at, mode] = [change.at, change.to]
  }
  return segments.slice(-segmentsMax)
}

/** A lane of time, the present at its right. */
export function laneElement(): HTMLSpanElement {
  return h('span', { class: 'lane', role: 'img' })
}

export function drawLane(lane: HTMLElement, segments: readonly Segment[], { fromAt, untilAt }: Window): void {
  const percent = (ms: number): string => `${((ms / (untilAt - fromAt)) * 100).toFixed(2)}%`
  while (lane.childElementCount > segments.length) lane.lastElementChild?.remove()
  while (lane.childElementCount < segments.length) lane.append(h('span'))
  segments.forEach((segment, index) => {
    const drawn = lane.children[index]
    if (!(drawn instanceof HTMLElement)) return
    setAttribute(drawn, 'class', `segment is-${segment.mode}`)
    // What has just begun is seen at once.
    drawn.style.left = `min(${percent(segment.fromAt - fromAt)}, calc(100% - 4px))`
    drawn.style.width = percent(segment.untilAt - segment.fromAt)
  })
  setAttribute(lane, 'aria-label', inWords(segments, untilAt))
}

/** The last few stretches, for those who cannot see them. */
function inWords(segments: readonly Segment[], now: number): string {
  const last = segments
    .slice(-4)
    .map(({ mode, fromAt }) => `${mode === 'unknown' ? 'not known' : modeText(mode)} from ${clock(fromAt, now)}`)
  return last.join(', then ')
}
