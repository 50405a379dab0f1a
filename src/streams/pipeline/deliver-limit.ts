import { classify } from '../../kernel/classify.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Decision } from '../../ports/limiter.ts'
import { askLimiter } from '../safe-call/ask-limiter.ts'
import { rateLimited } from '../safe-call/refusals.ts'
import { attempt, isTooOld, type AttemptHost } from './deliver-attempts.ts'
import type { AskedFor, Delivery } from './delivery.ts'
import type { LimitGates } from './limit-gates.ts'

export interface LimitHost extends AttemptHost {
  readonly limits: LimitGates
}

/** Asks the limit of an item, and attempts it if that allows it. Never rejects. */
export async function attemptWithinLimit(host: LimitHost, delivery: Delivery, limit: AskedFor): Promise<void> {
  const { plan, limits } = host
  if (plan.limit === undefined) return
  // The limit is for what is sent: it says nothing of this one, and counts none of it.
  if (isTooOld(host, delivery)) return host.expire(delivery)
  delivery.isTrial = delivery.place.begin() || delivery.isTrial
  limits.ask(limit.id)
  const { clock, logger } = plan
  const { key, names, id } = limit
  try {
    limit.decision = await askLimiter({ limiter: plan.limit.limiter, key, names, clock, logger })
  } catch (error) {
    limits.open(id)
    if (!delivery.over) host.giveUp(delivery, classify(error))
    return
  }
  if (!delivery.over && limit.decision?.allowed === false) return limited(host, delivery, limit, limit.decision)
  limits.open(id)
  if (delivery.over) return refund(host, limit)
  limit.isAllowed = true
  if (delivery.isTrial || delivery.place.lets) return attempt(host, delivery)
  host.giveBack(delivery)
  host.putBack(delivery)
}

function limited(host: LimitHost, delivery: Delivery, limit: AskedFor, decision: Decision): void {
  limit.decision = undefined
  if (delivery.isTrial) delivery.place.review()
  delivery.isTrial = false
  const { retryAfterMs } = decision
  const waits = host.plan.limit?.onLimited !== 'refuse' && retryAfterMs !== Infinity
  if (waits) host.limits.refused(limit.id, retryAfterMs)
  else host.limits.open(limit.id)
  if (waits) host.putBack(delivery)
  else host.end(delivery, rateLimited(decision))
}

/** What was booked for an item whose work is not called is given back. */
export function refund({ plan }: Pick<LimitHost, 'plan'>, limit: AskedFor): void {
  const { decision } = limit
  limit.decision = undefined
  limit.isAllowed = false
  if (decision?.allowed === true) unheeded(() => plan.limit?.limiter.refund(decision))
}
