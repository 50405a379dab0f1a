import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'
import { ConfigError } from '../../kernel/errors.ts'
import type { Instruments, MetricDefinition } from './instruments.ts'
import { measure } from './measure.ts'
import { checkTelemetryOptions, type Telemetry, type TelemetryOptions } from './telemetry-options.ts'

/** Upper bounds of the buckets of durations, in seconds: from what a local call takes to a call with long retries. */
const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/**
 * Gives what the engine does to a registry of `prom-client`, under names that begin with `switchgear_`: counters of what
 * the instances of this process tell on `node:diagnostics_channel`, and, with `gear`, gauges that are read when the registry
 * is. A call behind a closed breaker (`breaker.run`) costs nothing more. The names are in `docs/telemetry.md`.
 *
 * A registry takes it once. `close` stops listening and takes the metrics out of the registry; when `gear` closes, only the
 * listening ends.
 * @throws ConfigError for bad options, and for a registry that has these metrics
 */
export function prometheus(registry: PromClient.Registry, options: TelemetryOptions = {}): Telemetry {
  const checked = checkTelemetryOptions(options)
  if (registry.getSingleMetric('switchgear_calls_total') !== undefined)
    throw new ConfigError('registry', 'has the metrics of switchgear already: close the one before, or give another')
  return measure(instrumentsIn(registry), checked)
}

function instrumentsIn(registry: PromClient.Registry): Instruments {
  // Loaded here, since who uses OpenTelemetry has it not installed, and both come by the same door.
  const { Counter, Gauge, Histogram } = createRequire(import.meta.url)('prom-client') as typeof PromClient
  const names: string[] = []
  const failures = new Counter({
    name: named('collect_failures_total'),
    help: 'Readings that could not be taken when they were collected',
    labelNames: ['metric'],
    registers: [registry],
  })
  const configuration = ({ name, help, labels, unit }: MetricDefinition, ending = '') => {
    const full = named(`${name}${unit === undefined ? '' : unitEndings[unit]}${ending}`)
    names.push(full)
    return { name: full, help, labelNames: [...labels], registers: [registry] }
  }
  return {
    counter(definition) {
      const counter = new Counter(configuration(definition, '_total'))
      return (labels, by) => counter.inc(labels, by)
    },
    histogram(definition) {
      const histogram = new Histogram({ ...configuration(definition), buckets: durationBuckets })
      return (labels, value) => histogram.observe(labels, value)
    },
    gauge(definition, read) {
      const { name, ...rest } = configuration(definition)
      const gauge = new Gauge({
        ...{ name, ...rest },
        async collect() {
          try {
            const readings = await read()
            gauge.reset()
            for (const { labels, value } of readings) gauge.set(labels, value)
          } catch {
            failures.inc({ metric: name })
            // Without labels that leaves a 0, and nobody has read one.
            gauge.reset()
            if (definition.labels.length === 0) gauge.remove()
          }
        },
      })
    },
    close() {
      for (const name of [...names, named('collect_failures_total')]) registry.removeSingleMetric(name)
    },
  }
}

function named(name: string): string {
  return `switchgear_${name}`
}

const unitEndings = { s: '_seconds', By: '_bytes' }
