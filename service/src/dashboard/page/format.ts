import type { Counts, Mode } from './wire.ts'

const number = new Intl.NumberFormat('en')

/** `12,345` */
export function count(value: number): string {
  return number.format(value)
}

/** `1.2 MB` */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} kB`
  return `${(value / 1_000_000).toFixed(1)} MB`
}

/** `94 %`; `–` of nothing. */
export function share(part: number, whole: number): string {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  // What is almost all is not all, and what is almost nothing is not nothing.
  const rounded = percent > 99 && percent < 100 ? 99 : percent > 0 && percent < 1 ? 1 : Math.round(percent)
  return `${rounded} %`
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h` */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  if (seconds < 86_400) return two(Math.floor(seconds / 3_600), 'h', Math.floor((seconds % 3_600) / 60), 'min')
  return two(Math.floor(seconds / 86_400), 'd', Math.floor((seconds % 86_400) / 3_600), 'h')
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

/** `14:03:22`, with the day where it was not today. */
export function clock(at: number, now: number): string {
  return now - at < 43_200_000 ? time.format(at) : day.format(at)
}

const modes: Readonly<Record<Mode, string>> = {
  closed: 'closed',
  open: 'open',
  halfOpen: 'half-open',
  forcedOpen: 'forced open',
  disabled: 'disabled',
}

export function modeText(mode: Mode): string {
  return modes[mode]
}

/** On what it was decided, in words. */
export function reasonText(reason: string, counts: Counts): string {
  if (reason === 'failureThreshold') return plural(counts.consecutiveFailures, 'consecutive failure')
  if (reason === 'failureRate') return `${counts.failures} of ${counts.calls} calls failed`
  if (reason === 'slowCallRate') return `${counts.slow} of ${counts.calls} calls were slow`
  return reason
}

/** `1 letter`, `2 letters` */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}
