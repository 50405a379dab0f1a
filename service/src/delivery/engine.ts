import { trace } from '@opentelemetry/api'
import {
  type BreakerOptions,
  ConfigError,
  createSwitchgear,
  type RetryPolicy,
  type Switchgear,
  type SwitchgearOptions,
} from 'switchgear'
import { activeTraceparent } from 'switchgear/telemetry'
import type { EngineConfig } from '../config/schema.ts'
import { judgeDelivery } from './judge-delivery.ts'

/** How long one attempt to send may take when the configuration does not say, in ms. */
export const attemptTimeoutMs = 10_000

export interface Engine {
  readonly gear: Switchgear
  /** `engine.retry`, checked. */
  readonly retry: RetryPolicy
}

/**
 * The library, set up as `engine` in the configuration says. Every breaker judges as deliveries are judged, and bounds
 * each attempt.
 * @throws ConfigError naming the path in the configuration.
 */
export function createEngine(
  config: EngineConfig,
  options: Pick<SwitchgearOptions, 'fleet' | 'instance' | 'logger' | 'log' | 'deadLetters' | 'cache' | 'limiter'>,
): Engine {
  const given = { default: {}, ...config.breakers }
  const breakers = Object.fromEntries(Object.entries(given).map(([name, of]) => [name, withJudge(of)]))
  const retry: RetryPolicy = config.retry ?? {}
  const { deadlineMs } = config
  try {
    return {
      gear: createSwitchgear({
        ...{ ...options, breakers, retry, traceparent: activeTraceparent(trace) },
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
      }),
      retry,
    }
  } catch (error) {
    if (!(error instanceof ConfigError) || !/^(?:breakers|retry|deadlineMs)/.test(error.path)) throw error
    throw new ConfigError(`engine.${error.path}`, error.message.slice(error.path.length + 2), { cause: error })
  }
}

function withJudge(options: Readonly<Record<string, unknown>>): BreakerOptions {
  return { timeoutMs: attemptTimeoutMs, ...options, judge: judgeDelivery }
}
