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
export { portContracts } from './testing/port-contracts/port-contracts.ts'
