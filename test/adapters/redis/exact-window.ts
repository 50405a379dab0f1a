import type { LimitDefinition } from '../../../src/ports/limiter.ts'

/** What Redis said of one limit. */
interface Said {
  readonly us: number
  readonly cost: number
  readonly remaining: number
  readonly waitMs: number
  readonly passed: boolean
}

/** Everything that was granted in the last window, to the microsecond; for times that may step back. */
export class ExactWindow {
  readonly #limit: number
  /** By how much the clock may step: what was granted before a step back may count so much longer. */
  readonly #stepUs: number
  readonly #windowUs: number
  #grants: { readonly us: number; readonly cost: number }[] = []
  #lastUs = 0

  constructor({ limit, windowMs }: LimitDefinition, stepMs = 0) {
    this.#stepUs = stepMs * 1_000
    this.#limit = limit
    this.#windowUs = windowMs * 1_000
  }

  fits(us: number, cost: number): boolean {
    return this.#used(us) + cost <= this.#limit
  }

  add(us: number, cost: number): void {
    this.#lastUs = Math.max(us, this.#lastUs)
    this.#grants.push({ us: this.#lastUs, cost })
  }

  /** What is wrong with an answer, which is taken into account already; `undefined` when nothing is. */
  faultOf({ us, cost, remaining, waitMs, passed }: Said): string | undefined {
    const used = this.#used(us)
    if (used > this.#limit) return `${used} in a window, the limit is ${this.#limit}`
    // Above 100, what was granted counts up to a sixtieth of the window too long; below, times are rounded to 10 µs.
    const slackUs = this.#limit > 100 ? this.#windowUs / 60 + 20 : 20
    const most = this.#limit - used
    const least = this.#limit - this.#used(us, slackUs + this.#stepUs)
    if (remaining > most || remaining < least) return `${remaining} are said to be left, but it is ${least} to ${most}`
    if (passed || waitMs < 0) return undefined
    const waitUs = this.#waitUs(us, cost)
    // By a clock that has stepped back, what is over only because of the slack takes the step longer, too.
    const longestUs = Math.max(waitUs, this.#lastUs - us) + slackUs + 1_000
    const isTrue = waitMs * 1_000 >= waitUs - 20 && waitMs * 1_000 <= longestUs
    return isTrue ? undefined : `it is said to pass in ${waitMs} ms, but it is ${waitUs / 1_000} ms`
  }

  #used(us: number, slackUs = 0): number {
    const now = Math.max(us, this.#lastUs)
    const keepUs = now - this.#windowUs - this.#windowUs / 60 - 100
    if ((this.#grants[0]?.us ?? keepUs) < keepUs - this.#windowUs)
      this.#grants = this.#grants.filter((grant) => grant.us > keepUs)
    return this.#grants.reduce((sum, grant) => (grant.us + this.#windowUs + slackUs > now ? sum + grant.cost : sum), 0)
  }

  #waitUs(us: number, cost: number): number {
    const now = Math.max(us, this.#lastUs)
    let missing = this.#used(us) + cost - this.#limit
    for (const grant of this.#grants) {
      if (grant.us + this.#windowUs <= now) continue
      if (missing <= 0) break
      missing -= grant.cost
      if (missing <= 0) return grant.us + this.#windowUs - us
    }
    return 0
  }
}
