import {
  backoff,
  backoffDefaults,
  batchesDefaults,
  breakerDefaults,
  deadLetterDefaults,
  deadLetterQueueDefaults,
  defaultCacheKinds,
  defaultLimits,
  deliverDefaults,
  diskDeadLettersDefaults,
  rateLimitDefaults,
  retryBudgetDefaults,
  switchgearDefaults,
} from 'switchgear'
import { fromJetStreamDefaults, natsLogDefaults } from 'switchgear/nats'
import { redisDeadLettersDefaults, redisLimiterDefaults } from 'switchgear/redis'
import { telemetryDefaults } from 'switchgear/telemetry'
import { checkDefaults, outage, virtualClock } from 'switchgear/testing'
import { expect, test } from 'vitest'
import { spillDefaults } from '../../src/factories/spill.ts'
import { breakerSettings } from '../../src/machines/breaker-options.ts'
import { voteFreshMs } from '../../src/machines/fleet-state.ts'
import { pageLimitDefault } from '../../src/ports/letter-filter.ts'
import { withCacheDefaults } from '../../src/streams/cache/cache-options.ts'
import { planDeliver } from '../../src/streams/pipeline/deliver-options.ts'
import { concurrencyDefault } from '../../src/streams/redrive/redrive-options.ts'
import { planRetry } from '../../src/streams/retry/retry-policy.ts'
import { safeCallReader } from '../../src/streams/safe-call/safe-call-options.ts'

const clock = virtualClock()
const middle = { next: () => 0.5 }
const [lowest, highest] = [{ next: () => 0 }, { next: () => 1 }]
const over = { calls: 20 }
const threshold = 0.5
const delays = [1, 2, 3, 4, 5, 6, 7, 50].map((attempt) => backoff({ random: middle })(attempt))
const safeCall = safeCallReader({ clock, random: middle })({ breaker: 'smtp' })

/** Every default that is promised, in the order of the specification: these are its numbers, and the code's must be the same. */
const rows: readonly (readonly [what: string, inCode: unknown, promised: unknown])[] = [
  // An instance
  ['fleet', switchgearDefaults.fleet, 'default'],
  ['breakersMax', switchgearDefaults.breakersMax, 10_000],
  ['ready’s deadlineMs', switchgearDefaults.readyDeadlineMs, 10_000],
  ['close’s deadlineMs', switchgearDefaults.closeDeadlineMs, 5_000],
  [
    'natsLog',
    natsLogDefaults,
    {
      servers: 'nats://127.0.0.1:4222',
      replicas: 1,
      storage: 'file',
      auditDays: 90,
      deadlineMs: 5_000,
      heartbeatMs: 2_000,
    },
  ],

  // 1. Circuit breaker: as it is told, and as a breaker without options has it
  [
    'breakerDefaults',
    breakerDefaults,
    {
      failureThreshold: 5,
      minimumCalls: 10,
      recoveryTimeoutMs: 60_000,
      recoveryMultiplier: 2,
      recoveryMaxMs: 600_000,
      recoveryJitter: { ratio: 0.1 },
      leaseMs: 30_000,
      successesToClose: 1,
      quorum: 1,
    },
  ],
  ['failureThreshold', breakerSettings().failureThreshold, 5],
  ['failureRate', breakerSettings().failureRate, undefined],
  ['slowCallRate', breakerSettings().slowCallRate, undefined],
  ['failureRate.minimumCalls', breakerSettings({ failureRate: { over, threshold } }).failureRate?.minimumCalls, 10],
  [
    'slowCallRate.minimumCalls',
    breakerSettings({ slowCallRate: { over, threshold, slowerThanMs: 1 } }).slowCallRate?.minimumCalls,
    10,
  ],
  ['recovery', breakerSettings().recovery, { baseMs: 60_000, multiplier: 2, maxMs: 600_000, jitter: { ratio: 0.1 } }],
  ['probe.leaseMs', breakerSettings().leaseMs, 30_000],
  ['probe.successesToClose', breakerSettings().successesToClose, 1],
  ['probe.check', breakerSettings().check, undefined],
  ['quorum', breakerSettings().quorum, 1],
  ['how long a vote counts', voteFreshMs, 60_000],
  ['sharedEvidence', breakerSettings().sharedEvidence, false],
  ['timeoutMs', breakerSettings().timeoutMs, undefined],

  // 2. Retry
  ['retry.maxAttempts', planRetry().maxAttempts, 3],
  ['retry.deadlineMs', planRetry().deadlineMs, undefined],
  ['retry.budget', planRetry().budget, undefined],
  ['backoff', backoffDefaults, { baseDelayMs: 1_000, maxDelayMs: 60_000, multiplier: 2, jitter: { ratio: 0.1 } }],
  ['its delays', delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
  ['its shortest first delay', backoff({ random: lowest })(1), 900],
  ['its longest first delay', backoff({ random: highest })(1), 1_100],
  ['retryBudget', retryBudgetDefaults, { ratio: 0.2, minPerSecond: 10, windowMs: 10_000 }],

  // 3. Rate limiting
  ['limit alerts', defaultLimits.alerts, { limit: 100, windowMs: 60_000 }],
  ['limit email', defaultLimits.email, { limit: 50, windowMs: 3_600_000 }],
  ['limit slack', defaultLimits.slack, { limit: 50, windowMs: 3_600_000 }],
  ['limit webhook', defaultLimits.webhook, { limit: 200, windowMs: 60_000 }],
  ['redisLimiter', redisLimiterDefaults, { fleet: 'default', deadlineMs: 100, onUnavailable: 'open' }],

  // Streams
  ['deliver', deliverDefaults, { concurrency: 32, maxWaiting: 1_000, drainMs: 5_000 }],
  [
    'deliver’s plan',
    planDeliver({ to: async () => 1 }, { clock }),
    expect.objectContaining({
      concurrency: 32,
      maxWaiting: 1_000,
      ordered: false,
      whenOpen: 'wait',
      drainMs: 5_000,
      timeoutMs: undefined,
      maxAgeOf: undefined,
      retry: expect.objectContaining({ maxAttempts: 3, maxDelayMs: 60_000 }) as unknown,
    }),
  ],
  ['rateLimit', rateLimitDefaults, { onLimited: 'wait', maxWaiting: 1_000 }],
  ['deadLetter', deadLetterDefaults, { maxWaiting: 10_000 }],
  ['fromBatches', batchesDefaults, { heartbeatMs: 3_000 }],
  ['fromJetStream', fromJetStreamDefaults, { maxDeliveries: 10, deadlineMs: 5_000, heartbeatMs: 2_000 }],

  // 4. Dead-letter queue
  ['retentionDays', deadLetterQueueDefaults.retentionDays, 30],
  ['maxRedrives', deadLetterQueueDefaults.maxRedrives, 5],
  ['bodyBytesMax', deadLetterQueueDefaults.bodyBytesMax, 1_048_576],
  ['lettersMax', deadLetterQueueDefaults.lettersMax, 1_000_000],
  ['sweepEveryMs', deadLetterQueueDefaults.sweepEveryMs, 60_000],
  ['redisDeadLetters', redisDeadLettersDefaults, { fleet: 'default', deadlineMs: 250 }],
  ['spill.bytesMax', spillDefaults.bytesMax, 1_073_741_824],
  ['diskDeadLetters', diskDeadLettersDefaults, { bytesMax: 268_435_456 }],
  ['list’s limit', pageLimitDefault, 100],
  ['redrive’s concurrency', concurrencyDefault, 10],

  // 5. Safe call
  ['safeCall.retry.maxAttempts', safeCall.retry.maxAttempts, 3],
  ['safeCall.retry.maxDelayMs', safeCall.retry.maxDelayMs, 60_000],
  ['safeCall.retry.deadlineMs', safeCall.retry.deadlineMs, undefined],
  ['safeCall.timeoutMs', safeCall.timeoutMs, undefined],
  ['safeCall.limit', safeCall.limit, undefined],

  // 6. Cache
  ['ttl of stats', defaultCacheKinds.stats, { ttlMs: 300_000, scope: 'stats' }],
  ['ttl of distributions', defaultCacheKinds.distributions, { ttlMs: 300_000, scope: 'stats' }],
  ['ttl of trends', defaultCacheKinds.trends, { ttlMs: 600_000, scope: 'stats' }],
  ['ttl of counts', defaultCacheKinds.counts, { ttlMs: 30_000, scope: 'counts' }],
  ['ttl of search', defaultCacheKinds.search, { ttlMs: 120_000, scope: 'search' }],
  ['the cache’s kinds', [...withCacheDefaults({}).kinds], Object.entries(defaultCacheKinds)],
  ['the cache’s entriesMax', withCacheDefaults({}).entriesMax, 10_000],
  ['the cache’s bytesMax', withCacheDefaults({}).bytesMax, 67_108_864],
  ['the cache’s deadlineMs', withCacheDefaults({}).deadlineMs, 50],
  ['the cache’s loadWaitMs', withCacheDefaults({}).loadWaitMs, 2_000],

  // 8. Operations
  ['values of a label', telemetryDefaults.labelValuesMax, 200],

  // 9. Verification
  ['verify’s instances', checkDefaults.instances, 3],
  ['verify’s budget', [checkDefaults.runs, checkDefaults.ms], [200, 10_000]],
  ['outage', outage({ of: 'smtp' }), expect.objectContaining({ fromMs: 10_000, forMs: 60_000 })],
]

test.each(rows)('%s', (_what, inCode, promised) => {
  expect(inCode).toEqual(promised)
})
