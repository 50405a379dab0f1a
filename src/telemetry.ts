/** The door `switchgear/telemetry`: metrics for Prometheus, metrics and traces for OpenTelemetry. */
export { prometheus } from './adapters/telemetry/prometheus.ts'
export { openTelemetry } from './adapters/telemetry/open-telemetry.ts'
export { activeTraceparent } from './adapters/telemetry/active-traceparent.ts'
export {
  type PipelineReading,
  type ReadableBudget,
  type Telemetry,
  telemetryDefaults,
  type TelemetryOptions,
} from './adapters/telemetry/telemetry-options.ts'
