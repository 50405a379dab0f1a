import { afterEach } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import type { DeadLetters } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import type { Decision, Limiter } from '../../../src/ports/limiter.ts'
import { createSafeCall, type SafeCall, type SafeCallParts } from '../../../src/streams/safe-call/safe-call.ts'
import type { SafeCallOptions } from '../../../src/streams/safe-call/safe-call-options.ts'
import { createSwitchgear, type Switchgear, type SwitchgearOptions } from '../../../src/switchgear.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

const open: Switchgear[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((gear) => gear.close({ deadlineMs: 0 })))
})

export interface Rig {
  readonly gear: Switchgear
  readonly clock: VirtualClock
  readonly deadLetters: DeadLetters
  readonly logged: readonly (readonly [level: string, facts: object, message: string])[]
  readonly safeCall: SafeCall
  /** The call's outcome, time passing as it needs. */
  call<T>(options: Partial<SafeCallOptions<T>>, work: Parameters<SafeCall>[1]): ReturnType<SafeCall>
}

type RigParts = Partial<Omit<SafeCallParts, 'deadLetters'>> & { readonly deadLetters?: DeadLetters | undefined }

/** An instance on a virtual clock, with one failure as its threshold, and `safeCall` on its parts. */
export async function rig(parts: RigParts = {}, options: SwitchgearOptions = {}): Promise<Rig> {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(1)
  const gear = createSwitchgear({ clock, random, ...options })
  open.push(gear)
  await gear.ready()
  const logged: [string, object, string][] = []
  const log = (level: string) => (facts: object, message: string) => void logged.push([level, facts, message])
  const deadLetters = parts.deadLetters ?? memoryDeadLetters({ clock, random })
  const safeCall = createSafeCall({
    breakerOf: (name) => gear.breaker(name),
    deadLetters,
    clock,
    random,
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    isClosing: () => false,
    ...parts,
  })
  const call: Rig['call'] = (given, work) => clock.runUntil(safeCall({ breaker: 'smtp', ...given }, work))
  return { gear, clock, deadLetters, logged, safeCall, call }
}

export const draft = { organization: 'acme', channel: 'email', messageId: 'm1', payload: { to: 'ann' } }
export const broken = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
export const refusedForGood = Object.assign(new Error('no such user'), { responseCode: 550 })
export const fails = () => Promise.reject(broken)
export const never = () => new Promise<never>(() => {})

/** Makes a breaker open by failures. */
export async function trip({ gear }: Rig, name = 'smtp', failures = 5): Promise<void> {
  for (let i = 0; i < failures; i++)
    await gear
      .breaker(name)
      .run(fails)
      .catch(() => {})
}

/** A limiter that always decides the same. */
export function limiterThat(decision: Partial<Decision>, asked: unknown[] = []): Limiter {
  const decide =
    (call: string) =>
    async (...given: unknown[]) => {
      asked.push([call, ...given])
      return { allowed: true, degraded: false, retryAfterMs: 0, limits: [], headers: () => ({}), ...decision }
    }
  return {
    ...memoryLimiter(),
    check: decide('check'),
    peek: decide('peek'),
    refund: async (given) => void asked.push(['refund', given]),
  }
}
