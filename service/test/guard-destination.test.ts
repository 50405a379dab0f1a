import { BreakerOpenError, createSwitchgear } from 'switchgear'
import { afterEach, expect, it } from 'vitest'
import { HttpAnswerError } from '../src/channels/http-answer-error.ts'
import { guardDestination } from '../src/dead-letters/guard-destination.ts'
import { sharedHolds } from '../src/delivery/holds.ts'

const logger = { info() {}, warn() {}, error() {} }
const destination = 'webhook:acme.example'
const heldMs = 60_000
const tooMany = new HttpAnswerError('acme.example', 429, { 'retry-after': '60' }, '')

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

function guarded(name = destination) {
  const gear = createSwitchgear({ logger })
  ends.push(() => gear.close())
  const holds = sharedHolds({ store: { hold: async () => {} }, logger })
  return { gear, holds, guard: guardDestination(name, { gear, holds }) }
}

it('A destination that asked to be left alone is refused for as long, and nothing is sent to it', async () => {
  const { holds, guard } = guarded()
  expect(guard.refusedForMs?.()).toBeUndefined()
  holds.hold(destination, heldMs)
  expect(Math.ceil((guard.refusedForMs?.() ?? 0) / 1_000)).toBe(60)
  let sent = 0
  const error: unknown = await guard.run(() => (sent += 1)).catch((failed: unknown) => failed)
  expect(error).toBeInstanceOf(BreakerOpenError)
  expect(error).toMatchObject({ retryAfterMs: expect.closeTo(heldMs, -4) as number })
  expect(sent).toBe(0)
})

it('A destination that asks for it while it is sent something has not failed: the letter waits', async () => {
  const { holds, guard } = guarded()
  const sending = guard.run(() => {
    holds.hold(destination, heldMs)
    return Promise.reject(tooMany)
  })
  await expect(sending).rejects.toBeInstanceOf(BreakerOpenError)
})

it('An answer that asks to wait fails where nobody is held back for it, as does any other error', async () => {
  const { holds, guard } = guarded()
  await expect(guard.run(() => Promise.reject(tooMany))).rejects.toBe(tooMany)
  const reset = new Error('reset')
  const failing = guard.run(() => {
    holds.hold(destination, heldMs)
    return Promise.reject(reset)
  })
  await expect(failing).rejects.toBe(reset)
})

it('A breaker that is open refuses, too', async () => {
  const { gear, guard } = guarded()
  await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'maintenance', forMs: heldMs })
  expect(guard.refusedForMs?.()).toBeGreaterThan(0)
  await expect(guard.run(() => 'sent')).rejects.toBeInstanceOf(BreakerOpenError)
})

it('The outbox has no breaker and is never held', async () => {
  const { gear, holds, guard } = guarded('outbox:email')
  holds.hold('outbox:email', heldMs)
  expect(guard.refusedForMs?.()).toBeUndefined()
  expect(await guard.run(() => 'kept')).toBe('kept')
  expect(gear.breakers.size).toBe(0)
})
