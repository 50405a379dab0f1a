import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { ownFault } from './play.ts'
import { oneInstance } from './fleet-of.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapUsed(): number {
  for (let pass = 0; pass < 3; pass++) collect()
  return process.memoryUsage().heapUsed
}

test('memory does not grow with calls, whatever they come to and whichever rules count them', async () => {
  const { clock, gear } = await oneInstance()
  const smtp = gear.breaker('smtp', {
    failureThreshold: false,
    failureRate: { over: { calls: 1_000 }, threshold: 1, minimumCalls: 2_000 },
    slowCallRate: { over: { ms: 60_000 }, threshold: 1, slowerThanMs: 50, minimumCalls: 100_000_000 },
    timeoutMs: 1_000,
  })
  const { signal } = new AbortController()
  const call = async (at: number): Promise<void> => {
    const work = () => {
      if (at % 3 === 1) throw new Error('down')
      if (at % 3 === 2) throw ownFault()
      return at
    }
    await smtp.run(work, { signal }).catch(() => {})
    const permit = smtp.tryAcquire()
    if ('success' in permit) permit.success()
    if (at % 1_000 === 0) await clock.advanceBy(1_000)
  }
  for (let at = 0; at < 20_000; at++) await call(at)
  const before = heapUsed()
  for (let at = 0; at < 100_000; at++) await call(at)
  expect(heapUsed() - before, 'bytes more after 100,000 calls').toBeLessThan(100_000)
  expect(clock.pendingTimers).toBe(0)
})
