/** The door `switchgear/testing`: what users run in CI on their own configuration. */
export { seededRandom } from './testing/seeded-random.ts'
export { type VirtualClock, virtualClock } from './testing/virtual-clock.ts'
export {
  examineLaw,
  exercisedShareMin,
  type Law,
  LawError,
  type LawGroup,
  type LawReport,
  type ProofOptions,
  proveLaw,
  type Verdict,
} from './testing/law.ts'
export { laws } from './testing/laws/laws.ts'
export { verify, VerificationError, type TestFunction } from './testing/verify/verify.ts'
export { check } from './testing/verify/check.ts'
export { checkDefaults, type CheckOptions, type Configuration } from './testing/verify/check-options.ts'
export type { LawResult, VerificationReport } from './testing/verify/report.ts'
export { toJUnit } from './testing/verify/junit.ts'
export { arbitraries } from './testing/verify/arbitraries.ts'
export { http, ok, thrown, timedOut, type TransportOutcome } from './testing/verify/transport.ts'
export type { Handler, Subject, SubjectBreaker } from './testing/verify/subject.ts'
export { type StoryEvent, type StoryOptions, tellStory } from './testing/story.ts'
export { portContracts } from './testing/port-contracts/port-contracts.ts'
export { type FaultKind, faultKinds } from './testing/simulate/fault-plan.ts'
export {
  flapping,
  type FlappingOptions,
  outage,
  type OutageOptions,
  partiallySick,
  type PartiallySickOptions,
  rateLimited,
  type RateLimitedOptions,
  type Scenario,
  slow,
  type SlowOptions,
} from './testing/simulate/scenario.ts'
export {
  type Fleet,
  simulate,
  type SimulateOptions,
  SimulationError,
  type SimulationOutcome,
} from './testing/simulate/simulate.ts'
export type { SimulationTimeline } from './testing/simulate/timeline.ts'
