/** Freezes a value and all that it holds, so that whoever changes it throws. Bytes cannot be frozen. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}

/** Runs a synchronous piece of code that must ask neither a clock nor chance; fails when it does. */
export function withoutClockOrChance(run: () => void): void {
  const { now } = Date
  const { random } = Math
  const performanceNow = performance.now
  const refuse = (what: string) => (): never => {
    throw new Error(`${what} was asked where neither clock nor chance may be`)
  }
  Date.now = refuse('Date.now')
  Math.random = refuse('Math.random')
  performance.now = refuse('performance.now')
  try {
    run()
  } finally {
    Date.now = now
    Math.random = random
    performance.now = performanceNow
  }
}
