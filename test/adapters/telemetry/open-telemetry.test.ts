import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { MeterProvider, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createSwitchgear, memoryLog, type Switchgear } from 'switchgear'
import { activeTraceparent, openTelemetry } from 'switchgear/telemetry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../servers/until.ts'

class OnDemand extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

let gear: Switchgear
let reader: OnDemand
let spans: InMemorySpanExporter
let close: () => void
let tracer: ReturnType<BasicTracerProvider['getTracer']>

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  gear = createSwitchgear({ breakers: { default: { failureThreshold: 2 } } })
  reader = new OnDemand()
  spans = new InMemorySpanExporter()
  tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('test')
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test')
  ;({ close } = openTelemetry(meter, tracer, { gear }))
})
afterEach(async () => {
  close()
  await gear.close()
  context.disable()
})

const failing = async (): Promise<never> => {
  throw Object.assign(new Error('a secret'), { status: 503 })
}
const twice = { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 }

describe('openTelemetry', () => {
  it('counts calls and reads breakers under names with dots', async () => {
    await gear.safeCall({ breaker: 'smtp', retry: twice }, failing)
    const told = pointsOf((await reader.collect()).resourceMetrics)
    const call = { breaker: 'smtp', status: 'failed', reason: 'server_error' }
    expect(told.get('switchgear.calls')).toEqual([[call, 1]])
    expect(told.get('switchgear.breakers')).toContainEqual([{ mode: 'open' }, 1])
    expect(told.has('switchgear.call.duration')).toBe(true)
  })

  it('makes a span of a call, of its failed attempt and of the breaker, beneath the span that was active', async () => {
    const root = tracer.startSpan('root')
    await context.with(trace.setSpan(context.active(), root), () =>
      gear.safeCall({ breaker: 'smtp', retry: twice }, failing),
    )
    const made = spans.getFinishedSpans()
    expect(made.map(({ name }) => name).toSorted()).toContain('switchgear.breaker')
    expect(made.filter(({ name }) => name === 'switchgear.retry')).toHaveLength(1)
    const call = made.find(({ name }) => name === 'switchgear.call')
    expect(call?.attributes).toMatchObject({ 'switchgear.breaker': 'smtp', 'switchgear.attempts': 2 })
    expect(call?.status.code).toBe(SpanStatusCode.ERROR)
    for (const span of made)
      expect([span.name, span.spanContext().traceId, span.parentSpanContext?.spanId]).toEqual([
        span.name,
        root.spanContext().traceId,
        root.spanContext().spanId,
      ])
    expect(
      JSON.stringify(made.map(({ attributes, status, events }) => ({ attributes, status, events }))),
    ).not.toContain('secret')
  })

  it('writes the trace of the call that opened a breaker into the event in the log', async () => {
    const log = memoryLog()
    const traced = createSwitchgear({
      log,
      breakers: { smtp: { failureThreshold: 1 } },
      traceparent: activeTraceparent(trace),
    })
    const other = createSwitchgear({ log })
    await Promise.all([traced.ready(), other.ready()])
    const root = tracer.startSpan('root')
    const within = trace.setSpan(context.active(), root)
    await context.with(within, () =>
      traced
        .breaker('smtp')
        .run(failing)
        .catch(() => {}),
    )
    const entry = await until('the event in the log', async () => {
      for await (const found of other.breaker('smtp').history()) return found
      return undefined
    })
    const { traceId, spanId } = root.spanContext()
    expect(entry.event.traceparent).toBe(`00-${traceId}-${spanId}-01`)
    await Promise.all([traced.close(), other.close()])
    expect(activeTraceparent(trace)()).toBeUndefined()
  })

  it('makes and reads nothing more once it is closed', async () => {
    close()
    await gear.safeCall({ breaker: 'smtp' }, async () => 1)
    expect(spans.getFinishedSpans()).toEqual([])
    expect(pointsOf((await reader.collect()).resourceMetrics).has('switchgear.breakers')).toBe(false)
  })
})

function pointsOf({ scopeMetrics }: ResourceMetrics): ReadonlyMap<string, readonly (readonly [object, unknown])[]> {
  const metrics = scopeMetrics.flatMap(({ metrics: of }) => of).filter(({ dataPoints }) => dataPoints.length > 0)
  return new Map(
    metrics.map(({ descriptor, dataPoints }) => [
      descriptor.name,
      dataPoints.map(({ attributes, value }) => [attributes, value] as const),
    ]),
  )
}
