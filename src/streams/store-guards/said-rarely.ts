import type { Clock } from '../../ports/clock.ts'

const sayAgainMs = 60_000

/** Says the same no more than once a minute: for what would be said with every call. */
export function saidRarely(clock: Clock, say: (facts: object) => void): (facts: object) => void {
  let sayAt = -Infinity
  return (facts) => {
    if (clock.monotonic() < sayAt) return
    sayAt = clock.monotonic() + sayAgainMs
    say(facts)
  }
}
