/**
 * A program that uses breakers and then has nothing more to do: it says `done` and must end by itself, although the
 * breaker still waits for its recovery, a check is planned, an order runs out in an hour and a probe's lease is held.
 */
import { createSwitchgear } from '../../src/index.ts'

const gear = createSwitchgear()
await gear.ready()
const fail = () => Promise.reject(new Error('down'))

const open = gear.breaker('open', { failureThreshold: 1 })
await open.run(fail).catch(() => {})

const checked = gear.breaker('checked', { failureThreshold: 1, probe: { check: fail } })
await checked.run(fail).catch(() => {})

await gear.breaker('ordered').disable({ by: 'ann', reason: 'test', forMs: 3_600_000 })

const probed = gear.breaker('probed', { failureThreshold: 1, recoveryTimeoutMs: 1 })
await probed.run(fail).catch(() => {})
const isHalfOpen = new Promise<void>((resolve) => {
  probed.state$.subscribe(({ mode }) => mode === 'halfOpen' && resolve())
})
while (probed.state.mode !== 'halfOpen') {
  probed.tryAcquire()
  await Promise.race([isHalfOpen, new Promise((resolve) => setTimeout(resolve, 5))])
}

if (process.argv.includes('--hang')) {
  // Nothing but the deadline of a call that somebody awaits keeps the process alive now.
  const hung = gear.breaker('hung', { timeoutMs: 200 }).run(() => new Promise<never>(() => {}))
  await hung.catch((error: Error) => process.stdout.write(`${error.name} `))
}
if (process.argv.includes('--close')) await gear.close()
process.stdout.write(`${[open, checked, probed].map(({ state }) => state.mode).join(' ')} done\n`)
