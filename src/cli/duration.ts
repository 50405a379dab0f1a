import { ConfigError } from '../index.ts'

const units = Object.freeze({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const)
/** The longest timer there is: some 24 days. */
const timerMaxMs = 2 ** 31 - 1

/** `500ms`, `30s`, `10m`, `2h`, `1.5d` in ms. @throws ConfigError naming the option */
export function parseDuration(text: string, option: string, maxMs: number = timerMaxMs): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Math.round(Number(amount) * units[unit as keyof typeof units])
  if (ms >= 1 && ms <= maxMs) return ms
  const rule = `expected a duration above 0 and up to ${Math.floor(maxMs / units.d)} days, such as 500ms, 30s, 10m, 2h or 1d`
  throw new ConfigError(option, `${rule} (given: ${JSON.stringify(text)})`)
}

/** A duration for people, rounded up: `850 ms`, `41 s`, `12 min`, `3 h`, `2 d`. */
export function readableDuration(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)} ms`
  if (ms < 120_000) return `${Math.ceil(ms / units.s)} s`
  if (ms < 2 * units.h) return `${Math.ceil(ms / units.m)} min`
  if (ms < 2 * units.d) return `${Math.ceil(ms / units.h)} h`
  return `${Math.ceil(ms / units.d)} d`
}

/** A duration as it is typed, and exactly: `500ms`, `90s`, `10m`, `2h`, `1d`. */
export function typedDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((each) => ms % units[each] === 0) ?? 'ms'
  return `${ms / units[unit]}${unit}`
}

/** An instant for people: `2026-11-24 10:00:00Z`. */
export function readableTime(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}
