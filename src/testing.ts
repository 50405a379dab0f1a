/** The door `switchgear/testing`: what users run in CI on their own configuration. */
export { seededRandom } from './testing/seeded-random.ts'
export { type VirtualClock, virtualClock } from './testing/virtual-clock.ts'
