import { rounds, type Bench, type Goal, type Measured } from './harness.ts'

/** What one bench measured, for people. */
export function table({ name, what }: Bench, measured: readonly Measured[]): string {
  const peers = [...new Set(measured.flatMap((row) => Object.keys(row.peers)))]
  const lines = [
    ['', 'ours', 'goal', '', 'limit', ...peers],
    ...measured.map((row) => [
      row.what,
      readable(row.value, row.unit),
      row.goal === undefined ? '' : describe(row.goal),
      verdict(row),
      row.limit ?? '',
      ...peers.map((peer) => readable(row.peers[peer], row.unit)),
    ]),
  ]
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const body = lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${name}: ${what}; medians of ${rounds} rounds\n${body.join('\n')}\n`
}

/** The same for programs, as one line. */
export function json({ name }: Bench, measured: readonly Measured[]): string {
  return JSON.stringify({
    name,
    ratios: Object.fromEntries(measured.map(({ id, value }) => [id, rounded(value)])),
    peers: Object.fromEntries(
      measured
        .filter((row) => Object.keys(row.peers).length > 0)
        .map(({ id, peers }) => [
          id,
          Object.fromEntries(Object.entries(peers).map(([peer, of]) => [peer, rounded(of)])),
        ]),
    ),
    rounds,
  })
}

function verdict({ goal, value }: Measured): string {
  if (goal === undefined) return ''
  return ('atMost' in goal ? value <= goal.atMost : value >= goal.atLeast) ? 'pass' : 'MISS'
}

function describe(goal: Goal): string {
  return 'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`
}

function readable(value: number | undefined, unit: Measured['unit']): string {
  if (value === undefined) return ''
  if (unit === 'bytes') return `${Math.round(value)} B`
  return unit === 'ms' ? `${rounded(value)} ms` : String(rounded(value))
}

function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
