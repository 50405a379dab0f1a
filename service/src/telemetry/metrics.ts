import { metrics, trace } from '@opentelemetry/api'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { type PipelineGauge, pipelineGauge, type Switchgear } from 'switchgear'
import { openTelemetry, prometheus } from 'switchgear/telemetry'
import type { AlertIntake } from '../intake/accept-alerts.ts'
import type { Database } from '../store/database.ts'
import type { Settled } from '../store/record-outcomes.ts'
import { type HttpMeter, httpMeter } from './http-meter.ts'
import { type Door, intakeMeter } from './intake-meter.ts'
import { settledMeter } from './settled-meter.ts'
import { storeMeter } from './store-meter.ts'

/** What this instance tells Prometheus. */
export interface Metrics {
  readonly http: HttpMeter
  /** The same store, with what it takes. */
  database(database: Database): Database
  /** The same intake, with what becomes of alerts that come by this door. */
  intake(intake: AlertIntake, door: Door): AlertIntake
  /** For the pipeline that delivers. */
  readonly delivery: PipelineGauge
  /** Hears what became of messages. */
  readonly settled: (settled: readonly Settled[]) => void
  /** All of it, in Prometheus' text format, and the type of that. */
  readonly contentType: string
  read(): Promise<string>
  close(): void
}

/** A registry of its own: several instances may run in one process. */
export function createMetrics(gear: Switchgear): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const delivery = pipelineGauge()
  const pipelines = { delivery: delivery.counts }
  const engine = prometheus(registry, { gear, pipelines })
  // Where no OpenTelemetry SDK is registered in the process, this does nothing.
  const traced = openTelemetry(metrics.getMeter('switchgear'), trace.getTracer('switchgear'), { gear, pipelines })
  return {
    http: httpMeter(registry),
    database: storeMeter(registry),
    intake: intakeMeter(registry),
    delivery,
    settled: settledMeter(registry),
    contentType: registry.contentType,
    read: () => registry.metrics(),
    close() {
      engine.close()
      traced.close()
      registry.clear()
    },
  }
}
