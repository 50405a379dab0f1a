import { Counter, Histogram, type Registry } from 'prom-client'

export interface HttpMeter {
  /** A request was answered. `route` is the pattern that it met, of which there is a fixed number; none: it met none. */
  answered(of: HttpAnswer): void
}

interface HttpAnswer {
  readonly method: string
  readonly route: string | undefined
  readonly status: number
  readonly tookMs: number
}

/** Up to the second within which requests are to be answered, and past it. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Methods come from outside, too. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'])

export function httpMeter(registry: Registry): HttpMeter {
  const requests = new Counter({
    name: 'switchgear_http_requests_total',
    help: 'Requests that were answered, by route and status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'switchgear_http_request_duration_seconds',
    help: 'From a request to its answer',
    labelNames: ['method', 'route'],
    buckets,
    registers: [registry],
  })
  return {
    answered({ method, route = 'none', status, tookMs }) {
      const labels = { method: methods.has(method) ? method : 'other', route }
      requests.inc({ ...labels, status: String(status) })
      durations.observe(labels, tookMs / 1_000)
    },
  }
}
