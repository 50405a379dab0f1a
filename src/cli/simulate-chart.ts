import type { SimulationTimeline } from '../testing.ts'
import { instanceLanes, type Lane } from './simulate-lanes.ts'

/** The timeline of a simulation as SVG: no script, and its colours come from the page. */
export function simulationChart(timeline: SimulationTimeline): string {
  const { endMs, scenario } = timeline
  const lanes = instanceLanes(timeline)
  const parts: string[] = []
  let y = 26
  const add = (height: number, draw: (top: number) => string): void => {
    parts.push(draw(y))
    y += height
  }
  const most = highest(timeline)
  add(areaHeight + gap, (top) => areas(timeline, 'without', 'Without Switchgear', most, top))
  add(areaHeight + gap, (top) => areas(timeline, 'with', 'With Switchgear', most, top))
  add(ribbonHeight + gap, (top) => ribbon(timeline, top))
  add(faultHeight + gap, (top) => faultMarks(timeline, top))
  const rowHeight = lanes.length > 30 ? 11 : 15
  add(lanes.length * rowHeight + 8, (top) =>
    lanes.map((lane, row) => laneRow(lane, top + row * rowHeight, rowHeight - 2, endMs)).join(''),
  )
  const trouble = { from: x(scenario.fromMs, endMs), to: x(scenario.fromMs + scenario.forMs, endMs) }
  const band = `<rect class="trouble" x="${trouble.from}" y="18" width="${round(trouble.to - trouble.from)}" height="${y - 18}"/>`
  const name = text((trouble.from + trouble.to) / 2, 12, `${scenario.kind} of ${scenario.of}`, 'trouble-name')
  return `<svg viewBox="0 0 ${width} ${y + 26}" role="img" aria-label="timeline">${band}${name}${parts.join('')}${axis(endMs, y)}</svg>`
}

const width = 1_200
/** Room for the last mark of the axis. */
const margin = 22
const gutter = 168
const areaHeight = 92
const ribbonHeight = 22
const faultHeight = 18
const gap = 16

function x(atMs: number, endMs: number): number {
  return round(gutter + (Math.min(atMs, endMs) / endMs) * (width - gutter - margin))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

type Side = 'with' | 'without'

/** What came of attempts, from the ground up. */
const stacked = ['delivered', 'failed', 'refused'] as const

/** The most in a slice, but for the one in two hundred that were a burst. */
function highest(timeline: SimulationTimeline): number {
  const sums = (['with', 'without'] as const).flatMap((side) =>
    timeline[side].delivered.map((_, at) => stacked.reduce((sum, lane) => sum + (timeline[side][lane][at] ?? 0), 0)),
  )
  return Math.max(1, sums.toSorted((one, other) => one - other)[Math.floor(sums.length * 0.995)] ?? 1)
}

function areas(timeline: SimulationTimeline, side: Side, name: string, most: number, top: number): string {
  const { bucketMs, endMs } = timeline
  const size = timeline[side].delivered.length
  const ground = top + areaHeight
  const below = Array.from({ length: size }, () => 0)
  const shapes = stacked.map((lane) => {
    const before = [...below]
    for (let at = 0; at < size; at++) below[at] = (below[at] ?? 0) + (timeline[side][lane][at] ?? 0)
    const height = (count: number | undefined): number => round(ground - Math.min(1, (count ?? 0) / most) * areaHeight)
    const at = (index: number): number => x(index * bucketMs, endMs)
    // The last slice is shorter than the others.
    const last = size - 1
    const up = below.slice(0, last).map((count, index) => `${at(index)},${height(count)}`)
    const back = before.slice(0, last).map((count, index) => `${at(index)},${height(count)}`)
    return `<polygon class="${lane}" points="${[...up, ...back.toReversed()].join(' ')}"><title>${lane}</title></polygon>`
  })
  const perSecond = Math.round((most * 1_000) / bucketMs).toLocaleString('en-US')
  return `${text(0, top + 14, name, 'lane-name')}${text(0, top + 32, 'attempts a second', 'note')}${text(0, top + 48, `the top is ${perSecond}`, 'note')}<line class="ground" x1="${gutter}" x2="${width - margin}" y1="${ground}" y2="${ground}"/>${shapes.join('')}`
}

/** What the fleet has agreed on. */
function ribbon({ fleet, endMs, scenario }: SimulationTimeline, top: number): string {
  const changes = [{ atMs: 0, to: 'closed', from: 'closed' }, ...fleet]
  const pieces = changes.map(({ atMs, to }, at) => {
    const until = changes[at + 1]?.atMs ?? endMs
    const wide = Math.max(1.5, x(until, endMs) - x(atMs, endMs))
    return `<rect class="${to}" x="${x(atMs, endMs)}" y="${top}" width="${round(wide)}" height="${ribbonHeight}"><title>${to} from ${readable(atMs)}</title></rect>`
  })
  return `${text(0, top + 15, `Breaker ${scenario.of}`, 'lane-name')}${pieces.join('')}`
}

function faultMarks({ faults, endMs }: SimulationTimeline, top: number): string {
  const marks = faults.map(
    ({ atMs, kind, instance }) =>
      `<circle class="fault" cx="${x(atMs, endMs)}" cy="${top + 8}" r="3.5"><title>${readable(atMs)}: ${kind}${instance === '' ? '' : ` at ${instance}`}</title></circle>`,
  )
  return `${text(0, top + 12, `Faults, ${faults.length}`, 'lane-name')}${marks.join('')}`
}

function laneRow({ name, pieces }: Lane, top: number, height: number, endMs: number): string {
  const drawn = pieces.map(({ fromMs, untilMs, standing, share }) => {
    const from = x(fromMs, endMs)
    const wide = Math.max(0.8, x(untilMs, endMs) - from)
    const faint = share < 1 ? ` fill-opacity="${round(0.25 + 0.75 * share)}"` : ''
    const how = share < 1 ? `${Math.round(share * 100)} % ${standing}` : standing
    return `<rect class="${standing}" x="${from}" y="${top}" width="${round(wide)}" height="${height}"${faint}><title>${name}: ${how} from ${readable(fromMs)}</title></rect>`
  })
  return `${text(0, top + height - 1, name, 'row-name')}${drawn.join('')}`
}

function axis(endMs: number, top: number): string {
  const steps = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000]
  const step = steps.find((each) => endMs / each <= 12) ?? 1_200_000
  const marks = Array.from({ length: Math.floor(endMs / step) + 1 }, (_, index) => index * step)
  return marks
    .map((atMs) => {
      const at = x(atMs, endMs)
      return `<line class="tick" x1="${at}" x2="${at}" y1="18" y2="${top}"/>${text(at, top + 16, readable(atMs), 'tick-name')}`
    })
    .join('')
}

function readable(atMs: number): string {
  const seconds = atMs / 1_000
  return seconds < 180 ? `${Number(seconds.toFixed(2))} s` : `${Number((seconds / 60).toFixed(1))} min`
}

function text(atX: number, atY: number, what: string, className: string): string {
  return `<text class="${className}" x="${round(atX)}" y="${round(atY)}">${escaped(what)}</text>`
}

export function escaped(what: string): string {
  return what.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
