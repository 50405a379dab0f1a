import { createRequire } from 'node:module'
import type * as Api from '@opentelemetry/api'
import type { ClassifiedError } from '../../kernel/classify.ts'
import type { EngineListeners } from './engine-channels.ts'

/**
 * Spans of what the engine tells. It tells when something is over, so each span is made with the times that it had; its
 * parent is what is active there, as the context of the caller goes along with its promises.
 */
export function traceCalls(tracer: Api.Tracer): Required<Pick<EngineListeners, 'call' | 'retry' | 'transition'>> {
  // Loaded here, since who uses Prometheus has it not installed, and both come by the same door.
  const { SpanStatusCode } = createRequire(import.meta.url)('@opentelemetry/api') as typeof Api
  /** Only the kind of the error: its message may quote what the other side has said. */
  const failed = (span: Api.Span, { type }: ClassifiedError): void => {
    span.setAttribute('error.type', type)
    span.setStatus({ code: SpanStatusCode.ERROR, message: type })
  }
  return {
    call({ breaker, outcome }) {
      const now = Date.now()
      const durationMs = outcome.status === 'refused' ? 0 : outcome.durationMs
      const span = tracer.startSpan('switchgear.call', {
        startTime: now - durationMs,
        attributes: {
          'switchgear.status': outcome.status,
          ...(breaker === undefined ? {} : { 'switchgear.breaker': breaker }),
          ...(outcome.status === 'refused'
            ? { 'switchgear.reason': outcome.reason }
            : { 'switchgear.attempts': outcome.attempts }),
        },
      })
      if ('error' in outcome) failed(span, outcome.error)
      span.end(now)
    },
    retry({ attempt, error, delayMs }) {
      const now = Date.now()
      const attributes = { 'switchgear.attempt': attempt, 'switchgear.retry.delay_ms': delayMs }
      const span = tracer.startSpan('switchgear.retry', { startTime: now, attributes })
      failed(span, error)
      span.end(now + delayMs)
    },
    transition({ breaker, from, to, scope, reason, by, term }) {
      const span = tracer.startSpan('switchgear.breaker', {
        attributes: {
          'switchgear.breaker': breaker,
          'switchgear.from': from,
          'switchgear.to': to,
          'switchgear.scope': scope,
          'switchgear.reason': reason,
          'switchgear.by': by,
          'switchgear.term': term,
        },
      })
      span.end()
    },
  }
}
