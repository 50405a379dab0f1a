export {
  createSwitchgear,
  switchgearDefaults,
  type Health,
  type Switchgear,
  type SwitchgearOptions,
} from './switchgear.ts'

export type { Breaker } from './streams/breaker.ts'
export type { RunOptions } from './machines/breaker.ts'
export type { Permit } from './machines/permit.ts'
export {
  breakerDefaults,
  type BreakerOptions,
  type Call,
  type Judgement,
  type Window,
} from './machines/breaker-options.ts'
export { breakerMachine } from './machines/breaker-machine.ts'
export type { BreakerEvent, Counts, Order } from './machines/breaker-events.ts'
export type { LogEntry } from './machines/history.ts'
export type { ReplicaHealth } from './machines/replica.ts'
export type { BreakerState } from './machines/breaker-state.ts'
export { explainReason, type Transition } from './machines/transition.ts'
export type { Mode } from './machines/fleet-state.ts'

export { backoff, backoffDefaults, type Backoff, type BackoffPolicy } from './streams/retry/backoff.ts'
export { retry } from './streams/retry/retry.ts'
export {
  retryBudget,
  retryBudgetDefaults,
  type RetryBudget,
  type RetryBudgetOptions,
} from './streams/retry/retry-budget.ts'
export type { RetryNotice, RetryPolicy } from './streams/retry/retry-policy.ts'
export type { Attempt } from './streams/retry/run-with-retry.ts'
export { limit, type LimitedOptions } from './streams/limiter/limit.ts'
export type { Outcome } from './kernel/outcome.ts'
export type { SafeCall } from './streams/safe-call/safe-call.ts'
export type { SafeCallOptions } from './streams/safe-call/safe-call-options.ts'
export {
  deliver,
  type DeliverBreaker,
  type Delivered,
  type DeliverLimit,
  type DeliverOptions,
} from './streams/pipeline/deliver.ts'
export { deliverDefaults } from './streams/pipeline/deliver-options.ts'
export { destinationHolds, type DestinationHolds } from './streams/pipeline/destination-holds.ts'
export { pipelineGauge, type PipelineCounts, type PipelineGauge } from './streams/pipeline/pipeline-gauge.ts'
export type { Description, LetterSink } from './streams/dead-letters/write-dead-letter.ts'
export { fromAsyncIterable } from './streams/pipeline/from-async-iterable.ts'
export { deadLetter, deadLetterDefaults, type DeadLetterOptions } from './streams/pipeline/dead-letter.ts'
export { rateLimit, rateLimitDefaults, type NotPassed, type RateLimitOptions } from './streams/pipeline/rate-limit.ts'
export { retryWithJitter } from './streams/pipeline/retry-with-jitter.ts'
export { withBreaker, type SubscriptionBreaker } from './streams/pipeline/with-breaker.ts'
export {
  batchesDefaults,
  fromBatches,
  type BatchHandling,
  type Batches,
  type BatchesOptions,
} from './streams/pipeline/from-batches.ts'
export { fromItemSource, SourceObservable, type SourceOptions } from './streams/pipeline/source-observable.ts'
export { classify, type Classify, type ClassifiedError, type ErrorType } from './kernel/classify.ts'
export type { Jitter } from './kernel/jitter.ts'

export { memoryLog, type MemoryLogOptions } from './adapters/memory/event-log.ts'
export { diskDeadLetters, diskDeadLettersDefaults, type DiskDeadLettersOptions } from './factories/disk-dead-letters.ts'
export { memoryDeadLetters, type MemoryDeadLettersOptions } from './factories/memory-dead-letters.ts'
export { memoryLimiter, type MemoryLimiterOptions } from './adapters/memory/limiter.ts'

export {
  BreakerOpenError,
  ClosedError,
  ConfigError,
  errorCodes,
  OverCapacityError,
  RateLimitedError,
  SwitchgearError,
  TimeoutError,
  UnavailableError,
  type ErrorCode,
} from './kernel/errors.ts'

export type { ItemSink, ItemSource, OpenItems, TakenItem } from './ports/item-source.ts'
export { systemClock, type Clock, type Timer } from './ports/clock.ts'
export { systemRandom, type Random } from './ports/random.ts'
export type { Logger } from './ports/logger.ts'
export type { EventLog, Link, LogAppend, LogFollower, LogMembership, StoredMessage } from './ports/event-log.ts'
export { deadLetterQueue, type DeadLetters } from './streams/dead-letters/dead-letter-queue.ts'
export type { LetterChange, LettersGiven } from './streams/dead-letters/dead-letter-queue-changing.ts'
export {
  deadLetterQueueDefaults,
  type DeadLetterQueueOptions,
} from './streams/dead-letters/dead-letter-queue-options.ts'
export type { Redrive, Redrives } from './streams/redrive/redrive.ts'
export type { RedriveEvent } from './streams/redrive/redrive-events.ts'
export type {
  RedriveBounds,
  RedriveBreaker,
  RedriveLimit,
  RedriveOptions,
  RedriveWorkOptions,
} from './streams/redrive/redrive-options.ts'
export type { LetterStats } from './streams/dead-letters/dead-letter-queue-reading.ts'
export type { Letter, LetterAttempt, LetterDraft, LetterEdit, LetterFilter, Page } from './ports/dead-letters.ts'
export type { Added, LetterBounds, LetterPage, LetterStore } from './ports/letter-store.ts'
export type { LetterHeader, LetterParts } from './ports/letter.ts'
export type {
  RedriveJob,
  RedriveJobs,
  RedriveOutcome,
  RedrivePlan,
  RedriveWork,
  Taken,
  TakeOptions,
} from './ports/redrive-jobs.ts'
export type {
  Decision,
  LimitDefinition,
  Limiter,
  LimitNames,
  Limits,
  LimitState,
  LimitSuggestion,
} from './ports/limiter.ts'
export { defaultLimits, defineLimits } from './ports/limits.ts'
export type { Address, CacheScope, Invalidation } from './ports/cache.ts'
export { memoryCache, type MemoryCacheOptions } from './factories/memory-cache.ts'
export type { Cache, CacheRead } from './streams/cache/two-tier-cache.ts'
export type { CacheStats, TierStats } from './streams/cache/cache-stats.ts'
export { defaultCacheKinds, type CacheKind } from './streams/cache/cache-kinds.ts'
export { typedCodec, type ValueCodec } from './kernel/value-codec.ts'
