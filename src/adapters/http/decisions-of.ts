import type { Decision } from '../../ports/limiter.ts'

const decisions = new WeakMap<object, readonly Decision[]>()

/**
 * What was decided about a request so far, in the order in which it was asked: for handlers that want to know what is
 * left, or whether the store could be asked (`degraded`). Empty for one that was skipped. It takes the request of
 * Fastify, Express, `node:http` or Fetch, as the handler got it.
 */
export function decisionsOf(request: object): readonly Decision[] {
  return decisions.get(carrierOf(request)) ?? []
}

export function rememberDecision(request: object, decision: Decision): void {
  decisions.set(carrierOf(request), [...decisionsOf(request), decision])
}

/** Fastify's request stands for the one of Node that it wraps, so that middleware beneath it and plugins know of each other. */
function carrierOf(request: object): object {
  return 'raw' in request && typeof request.raw === 'object' && request.raw !== null ? request.raw : request
}
