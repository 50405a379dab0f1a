import { printable } from './printable.ts'

/** A cell: its text, and what it is to look like once its width is known. */
export interface Cell {
  readonly text: string
  readonly paint?: (text: string) => string
}

/** Rows under a heading, in columns that are as wide as their widest cell. The last one is not padded. */
export function table(heading: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const all = [heading.map((text): Cell => ({ text })), ...rows].map((row) => row.map(shown))
  const widths = heading.map((_, column) => Math.max(...all.map((row) => width(row[column]?.text ?? ''))))
  return all.map((row) => lineOf(row, widths)).join('\n')
}

function lineOf(row: readonly Cell[], widths: readonly number[]): string {
  const cells = row.map(({ text, paint = same }, column) => {
    const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(text)))
    return paint(text) + padding
  })
  return cells.join('  ').trimEnd()
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
