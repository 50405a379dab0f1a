import * as fc from 'fast-check'
import type { BreakerOptions } from '../../machines/breaker-options.ts'
import { fleetScripts, type FleetScript, type FleetScriptOptions } from '../fleet-script.ts'
import { retryPolicies } from '../laws/retry-scenario.ts'
import { anyLimits } from '../laws/limiter-scenario.ts'
import { type FaultKind, faultKinds } from '../simulate/fault-plan.ts'
import type { Configuration } from './check-options.ts'
import { http, ok, thrown, timedOut, type TransportOutcome } from './transport.ts'

const window = fc.oneof(
  fc.record({ calls: fc.integer({ min: 10, max: 100 }) }),
  fc.record({ ms: fc.integer({ min: 1_000, max: 60_000 }) }),
)
const rate = { over: window, threshold: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100) }

const breakers: fc.Arbitrary<BreakerOptions> = fc.record(
  {
    failureThreshold: fc.integer({ min: 1, max: 10 }),
    failureRate: fc.record(rate),
    slowCallRate: fc.record({ ...rate, slowerThanMs: fc.integer({ min: 10, max: 1_000 }) }),
    recoveryTimeoutMs: fc.integer({ min: 100, max: 60_000 }),
    probe: fc.record({ leaseMs: fc.integer({ min: 10_000, max: 60_000 }), successesToClose: fc.constantFrom(1, 1, 2) }),
    quorum: fc.constantFrom(1, 1, 2, 3),
    timeoutMs: fc.integer({ min: 1_000, max: 8_000 }),
  },
  { requiredKeys: [] },
)

const tookMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2_000 }))
const statuses = fc.constantFrom(429, 500, 502, 503, 504, 400, 401, 404)

/** What the laws are tried on, for tests of your own. */
export const arbitraries: Readonly<{
  /** Configurations whose settings do not conflict. */
  configurations: fc.Arbitrary<Configuration>
  /** What a transport does: half of the time it answers. */
  outcomes: fc.Arbitrary<TransportOutcome>
  /** What happens to a fleet, step by step: calls, outages, orders, faults, crashes. */
  schedules: (options?: FleetScriptOptions) => fc.Arbitrary<FleetScript>
  /** Which kinds of faults occur. */
  faults: fc.Arbitrary<FaultKind[]>
}> = Object.freeze({
  configurations: fc.record(
    {
      breakers: fc.dictionary(fc.constantFrom('pay', 'smtp', 'default'), breakers, { minKeys: 1, maxKeys: 2 }),
      retry: retryPolicies,
      limits: anyLimits,
    },
    { requiredKeys: ['breakers'] },
  ),
  outcomes: fc.oneof(
    { weight: 4, arbitrary: tookMs.map((ms) => ok(undefined, { tookMs: ms })) },
    { weight: 2, arbitrary: fc.tuple(statuses, tookMs).map(([status, ms]) => http(status, { tookMs: ms })) },
    { weight: 1, arbitrary: tookMs.map((ms) => thrown('the connection was reset', { tookMs: ms })) },
    { weight: 1, arbitrary: fc.constant(timedOut()) },
  ),
  schedules: fleetScripts,
  faults: fc.subarray([...faultKinds]),
})
