import type { SimulationOutcome } from '../testing.ts'
import { readableDuration } from './duration.ts'
import { escaped, simulationChart } from './simulate-chart.ts'
import { grouped, simulationRows } from './simulate-table.ts'

/** A simulation as a page that stands for itself: no script, no request, for light and for dark. */
export function simulationPage(outcome: SimulationOutcome): string {
  const { seed, traceHash, timeline, neverReached } = outcome
  const { instances, scenario } = timeline
  const title = `${scenario.kind} of ${scenario.of}, ${grouped(instances)} instances`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}: switchgear simulate</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escaped(title)}</h1><p>${escaped(readableDuration(scenario.forMs))} of trouble, seed ${seed}, trace ${traceHash}. The same calls, on the same fleet, with Switchgear and without.</p></header>
<section class="cards">${cards(outcome)}</section>
<section class="chart">${simulationChart(timeline)}${legend()}</section>
<section class="columns">
<div><h2>Side by side</h2><table><thead><tr><th></th><th>with</th><th>without</th></tr></thead><tbody>${simulationRows(outcome).map(tableRow).join('')}</tbody></table></div>
<div><h2>What the fleet agreed on</h2>${changes(outcome)}</div>
<div><h2>What went wrong</h2>${counts(outcome.faults)}${neverReached.length > 0 ? `<p class="note">Never reached: ${escaped(neverReached.join(', '))}.</p>` : ''}</div>
</section>
</body>
</html>
`
}

/** The four figures that say most, each beside the same of the other fleet. */
function cards({ with: guarded, without }: SimulationOutcome): string {
  const all: readonly (readonly [string, string, string])[] = [
    ['hits on the troubled dependency', grouped(guarded.reachedWhileDead), grouped(without.reachedWhileDead)],
    ['lost', grouped(guarded.lost), grouped(without.lost)],
    ['until all had noticed', guarded.detectMs === null ? 'never' : readableDuration(guarded.detectMs), 'never'],
    ['until all called again', guarded.recoverMs === null ? 'never' : readableDuration(guarded.recoverMs), 'at once'],
    ['probes', grouped(guarded.probes), 'none'],
    ['delivered late', grouped(guarded.late), grouped(without.late)],
  ]
  return all
    .map(
      ([what, ours, theirs]) =>
        `<div class="card"><span>${what}</span><b>${escaped(ours)}</b><small>without: ${escaped(theirs)}</small></div>`,
    )
    .join('')
}

function tableRow(cells: readonly string[]): string {
  const [what = '', ...values] = cells
  return `<tr><th>${escaped(what)}</th>${values.map((value) => `<td>${escaped(value)}</td>`).join('')}</tr>`
}

const changesMax = 40

function changes({ timeline }: SimulationOutcome): string {
  const { fleet } = timeline
  if (fleet.length === 0) return '<p class="note">Nothing: it never opened.</p>'
  const rows = fleet.slice(0, changesMax).map(({ atMs, from, to, by, reason }) => {
    const what = from === to ? to : `${from} → ${to}`
    return `<tr><td>${(atMs / 1_000).toFixed(2)} s</td><td><i class="${to}"></i>${what}</td><td>${escaped(by)}: ${escaped(reason)}</td></tr>`
  })
  const more = fleet.length > changesMax ? `<p class="note">and ${fleet.length - changesMax} more</p>` : ''
  return `<table class="left"><tbody>${rows.join('')}</tbody></table>${more}`
}

function counts(of: Readonly<Record<string, number>>): string {
  const items = Object.entries(of).filter(([, n]) => n > 0)
  return `<ul class="counts">${items.map(([what, n]) => `<li>${escaped(what)} <b>${grouped(n)}</b></li>`).join('')}</ul>`
}

function legend(): string {
  const items: readonly (readonly [string, string])[] = [
    ['delivered', 'delivered'],
    ['failed', 'failed'],
    ['refused', 'refused at once'],
    ['closed', 'closed'],
    ['halfOpen', 'half-open'],
    ['open', 'open'],
    ['down', 'process down'],
    ['paused', 'process stands still'],
    ['fault', 'a fault'],
  ]
  return `<p class="legend">${items.map(([name, what]) => `<span><i class="${name}"></i>${what}</span>`).join('')}</p>`
}

const style = `
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #fff; --ink: #1d2125; --dim: #68717a; --line: #e3e0da;
  --good: #2f9e7a; --bad: #d6453d; --grey: #b3bac2; --amber: #e3a11f; --down: #3b4148; --paused: #8fa6c4; --violet: #8b5cc4; --trouble: #d6453d14 }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e8eaec; --dim: #949ea8; --line: #2c3238;
  --good: #37b38b; --bad: #ef635b; --grey: #5c666f; --amber: #f0b440; --down: #d5dade; --paused: #7892b8; --violet: #a980e0; --trouble: #ef635b1c } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1320px; padding: 28px 24px 48px; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 15px; margin: 0 0 8px } header p { color: var(--dim); margin: 4px 0 20px }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin-bottom: 16px }
.card, .chart, .columns > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px }
.card span { color: var(--dim); display: block; font-size: 13px } .card b { font-size: 27px; font-variant-numeric: tabular-nums; display: block; line-height: 1.25 } .card small { color: var(--dim) }
.chart svg { width: 100%; height: auto; display: block } svg text { fill: var(--ink); font: 12px system-ui, sans-serif }
svg .note, svg .row-name, svg .tick-name { fill: var(--dim); font-size: 11px } svg .row-name { font-size: 9.5px } svg .lane-name { font-weight: 600; font-size: 13px }
svg .tick-name, svg .trouble-name { text-anchor: middle } svg .trouble-name { fill: var(--bad); font-weight: 600 }
.tick { stroke: var(--line); stroke-width: 1 } .ground { stroke: var(--grey) } .trouble { fill: var(--trouble) }
.delivered, .closed { fill: var(--good); background: var(--good) } .failed, .open { fill: var(--bad); background: var(--bad) }
.refused { fill: var(--grey); background: var(--grey) } .halfOpen { fill: var(--amber); background: var(--amber) }
.down { fill: var(--down); background: var(--down) } .paused { fill: var(--paused); background: var(--paused) }
.forcedOpen, .disabled, .fault { fill: var(--violet); background: var(--violet) } svg .fault { fill-opacity: .75 }
svg rect.closed { fill-opacity: .55 }
i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px } i.fault { border-radius: 50% }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; color: var(--dim); font-size: 13px; margin: 10px 0 0 }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 12px; margin-top: 16px; align-items: start }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13.5px } th, td { padding: 4px 0 4px 10px; text-align: right; border-top: 1px solid var(--line); vertical-align: top }
thead th { border: 0; color: var(--dim) } tbody th { font-weight: 400; text-align: left; padding-left: 0 } table.left td { text-align: left } table.left td:first-child { padding-left: 0; white-space: nowrap }
.counts { list-style: none; margin: 0; padding: 0; columns: 2; font-size: 13.5px } .counts li { display: flex; justify-content: space-between; padding: 3px 0; break-inside: avoid }
.note { color: var(--dim); font-size: 13px }
`
