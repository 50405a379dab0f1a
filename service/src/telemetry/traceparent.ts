import { context, ROOT_CONTEXT, type SpanContext, SpanStatusCode, trace } from '@opentelemetry/api'

/**
 * Reads a W3C `traceparent`; `undefined` for what is none, which is passed over, as the recommendation says.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function readTraceparent(value: unknown): string | undefined {
  return typeof value === 'string' && spanContextOf(value) !== undefined ? value : undefined
}

/** What is sent, and for which alert. */
export interface TracedSend {
  /** From the alert's intake. */
  readonly traceparent: string | undefined
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * Runs one attempt to send in a span beneath that of the alert's sender, and hands it the `traceparent` to send along. Where
 * no OpenTelemetry SDK was registered there is no span, and the sender's own is handed on.
 */
export async function traceAttempt<T>(
  { traceparent, attributes }: TracedSend,
  work: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  const parent = traceparent === undefined ? undefined : spanContextOf(traceparent)
  const above = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
  const span = trace.getTracer('switchgear-service').startSpan('switchgear.attempt', { attributes }, above)
  try {
    return await context.with(trace.setSpan(above, span), () => work(traceparentOf(span.spanContext())))
  } catch (error) {
    // Its message may quote what the other side has said.
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'Error' })
    throw error
  } finally {
    span.end()
  }
}

/** Later versions may have more behind the four fields; they are read as version 00. */
const shape = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?$/
const lengthMax = 256

function spanContextOf(text: string): SpanContext | undefined {
  const [, version, traceId, spanId, flags = '', more] = text.length > lengthMax ? [] : (shape.exec(text) ?? [])
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string | undefined {
  return readTraceparent(`00-${traceId}-${spanId}-0${traceFlags & 1}`)
}
