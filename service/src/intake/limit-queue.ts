import type { Decision } from 'switchgear'

/** Bounds of one wait, in ms. A limit may have been raised meanwhile, which nobody tells a message. */
const waitMs = Object.freeze({ min: 1_000, max: 600_000 })

/**
 * Says in how many ms an alert is to come back that was refused by the limit of its organization: each when those before it
 * have passed, so that as many come back as the limit takes, and not all that wait, again and again. Where that is later than
 * in ten minutes, it is some time in the second half of them. It keeps one instant for each organization.
 */
export function limitQueue(
  now: () => number = () => performance.now(),
  chance: () => number = Math.random,
): (organization: string, decision: Pick<Decision, 'retryAfterMs' | 'limits'>) => number {
  const nextAt = new Map<string, number>()
  return (organization, { retryAfterMs, limits }) => {
    const earliestAt = now() + Math.max(waitMs.min, retryAfterMs)
    const at = Math.max(earliestAt, nextAt.get(organization) ?? 0)
    const inMs = at - now()
    if (inMs >= waitMs.max) return waitMs.max * (1 - chance() / 2)
    nextAt.set(organization, at + Math.max(0, ...limits.map(({ limit, windowMs }) => windowMs / limit)))
    return inMs
  }
}
