import { printable } from './printable.ts'

/** A cell: its text, and what it is to look like once its width is known. */
export interface Cell {
  readonly text: string
  readonly paint?: (text: string) => string
}

/**
 * Rows under a heading, in columns that are as wide as their widest cell. The last one is not padded, and it is cut where a
 * line would be wider than `widthMax`, but not to less than 20.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
  widthMax: number = Infinity,
): string {
  const whole = [heading.map((text): Cell => ({ text })), ...rows].map((row) => row.map(shown))
  const widths = heading.map((_, column) => Math.max(...whole.map((row) => width(row[column]?.text ?? ''))))
  const others = widths.slice(0, -1).reduce((sum, each) => sum + each + 2, 0)
  const lastMax = Math.max(20, widthMax - others)
  const all = whole.map((row) => [...row.slice(0, -1), ...row.slice(-1).map((cell) => cut(cell, lastMax))])
  return all.map((row) => lineOf(row, widths)).join('\n')
}

function lineOf(row: readonly Cell[], widths: readonly number[]): string {
  const cells = row.map(({ text, paint = same }, column) => {
    const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(text)))
    return paint(text) + padding
  })
  return cells.join('  ').trimEnd()
}

function cut(cell: Cell, max: number): Cell {
  const parts = cell.text.length > max ? Array.from(graphemes.segment(cell.text), ({ segment }) => segment) : []
  return parts.length > max ? { ...cell, text: `${parts.slice(0, max - 1).join('')}…` } : cell
}

function shown(cell: Cell): Cell {
  return { ...cell, text: printable(cell.text) }
}

const graphemes = new Intl.Segmenter()

function width(text: string): number {
  return [...graphemes.segment(text)].length
}

function same(text: string): string {
  return text
}
