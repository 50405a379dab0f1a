import { styleText } from 'node:util'
import type { Mode } from '../index.ts'
import { printableJson } from './printable.ts'

/** Where a command writes what it found out: for people, or with `--json` for programs. */
export interface Screen {
  readonly json: boolean
  print(line: string): void
  /** One JSON text a line. */
  printJson(value: unknown): void
  /** The name of a mode, in its colour on a terminal. */
  mode(text: string, mode: Mode): string
  dim(text: string): string
}

export function screenOn(stream: NodeJS.WriteStream, json: boolean): Screen {
  const colour = !json && inColour(stream)
  const styled = (format: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(format, text) : text
  return {
    json,
    print: (line) => void stream.write(`${line}\n`),
    printJson: (value) => void stream.write(`${printableJson(value)}\n`),
    mode: (text, mode) => styled(colours[mode], text),
    dim: (text) => styled('dim', text),
  }
}

const colours = Object.freeze({
  forcedOpen: 'red',
  open: 'red',
  halfOpen: 'yellow',
  disabled: 'magenta',
  closed: 'green',
} as const satisfies Record<Mode, string>)

/** On a terminal that shows them, unless `NO_COLOR` says not to. @see https://no-color.org */
export function inColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}
