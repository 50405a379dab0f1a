/** Stands for the values past the bound of a label. */
export const otherLabel = 'other'

/**
 * Keeps the values of a label bounded: the first `max` values stand for themselves, every later one is `other`. A name that
 * comes from outside cannot make a time series each.
 */
export function boundedLabel(max: number): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= max) return otherLabel
    known.add(value)
    return value
  }
}
