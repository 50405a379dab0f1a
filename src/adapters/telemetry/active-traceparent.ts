import type { TraceAPI } from '@opentelemetry/api'

/**
 * Gives the `traceparent` of the span that is active, for `createSwitchgear({ traceparent })`; `undefined` where none is.
 * `trace` is that of `@opentelemetry/api`.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function activeTraceparent(trace: Pick<TraceAPI, 'getActiveSpan'>): () => string | undefined {
  return () => {
    const span = trace.getActiveSpan()?.spanContext()
    if (span === undefined || /^0*$/.test(span.traceId)) return undefined
    return `00-${span.traceId}-${span.spanId}-0${span.traceFlags & 1}`
  }
}
