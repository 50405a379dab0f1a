import type { Attributes, Meter, ObservableGauge, ObservableCallback, Tracer } from '@opentelemetry/api'
import { listenToEngine } from './engine-channels.ts'
import type { Instruments, MetricDefinition } from './instruments.ts'
import { measure } from './measure.ts'
import { checkTelemetryOptions, type Telemetry, type TelemetryOptions } from './telemetry-options.ts'
import { traceCalls } from './trace-calls.ts'

/**
 * Gives what the engine does to OpenTelemetry: the metrics of `prometheus`, under names with dots (`switchgear.calls`), and,
 * where there is a tracer, spans: `switchgear.call` for each outcome of `safeCall` and `deliver`, `switchgear.retry` for each
 * failed attempt with the wait after it, `switchgear.breaker` for each change of a breaker. Their parent is the span that is
 * active where they happen. The names are in `docs/telemetry.md`.
 *
 * What an SDK does not let go of (counters) stays with the meter; `close` ends the listening and the readings.
 * @throws ConfigError for bad options
 */
export function openTelemetry(meter: Meter, tracer?: Tracer, options: TelemetryOptions = {}): Telemetry {
  const metrics = measure(instrumentsOf(meter), checkTelemetryOptions(options))
  const stopTracing = tracer === undefined ? () => {} : listenToEngine(traceCalls(tracer))
  return {
    close() {
      metrics.close()
      stopTracing()
    },
  }
}

function instrumentsOf(meter: Meter): Instruments {
  const observed: { readonly gauge: ObservableGauge; readonly callback: ObservableCallback }[] = []
  return {
    counter(definition) {
      const counter = meter.createCounter(named(definition), optionsOf(definition))
      return (labels, by = 1) => counter.add(by, attributesOf(labels))
    },
    histogram(definition) {
      const histogram = meter.createHistogram(named(definition), optionsOf(definition))
      return (labels, value) => histogram.record(value, attributesOf(labels))
    },
    gauge(definition, read) {
      const gauge = meter.createObservableGauge(named(definition), optionsOf(definition))
      const callback: ObservableCallback = async (result) => {
        for (const { labels, value } of await read()) result.observe(value, attributesOf(labels))
      }
      gauge.addCallback(callback)
      observed.push({ gauge, callback })
    },
    close() {
      for (const { gauge, callback } of observed) gauge.removeCallback(callback)
    },
  }
}

function named({ name }: MetricDefinition): string {
  return `switchgear.${name.replaceAll('_', '.')}`
}

function optionsOf({ help, unit }: MetricDefinition): { description: string; unit?: string } {
  return { description: help, ...(unit === undefined ? {} : { unit }) }
}

function attributesOf(labels: Readonly<Record<string, string>>): Attributes {
  return labels
}
