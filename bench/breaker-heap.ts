import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createSwitchgear } from 'switchgear'
import { cockatielBreaker, mollitiaBreaker, opossumBreaker } from './breaker-peers.ts'
import { resolves } from './calls.ts'

/** How many breakers a process makes; their map and their names count as theirs. */
const breakers = 10_000

/** What makes a breaker of a name, and holds it. */
const makers = {
  switchgear() {
    const gear = createSwitchgear()
    return (name: string) => gear.breaker(name)
  },
  cockatiel: () => intoMap(() => cockatielBreaker()),
  opossum: () => intoMap(() => opossumBreaker(resolves)),
  mollitia: () => intoMap(() => mollitiaBreaker(resolves)),
}

type Maker = keyof typeof makers

/** Bytes of heap of a breaker that was never used, measured in a process of its own. */
export async function heapOfUnused(maker: Maker): Promise<number> {
  const child = fork(import.meta.filename, [maker], { execArgv: [...process.execArgv, '--expose-gc'] })
  const [bytes] = (await once(child, 'message')) as [number]
  await once(child, 'exit')
  return bytes
}

function intoMap(make: () => unknown) {
  const held = new Map<string, unknown>()
  return (name: string) => held.set(name, make())
}

/** In the child: what the heap grows by. The ones before take what is made once, the one after keeps them all alive. */
function measure(maker: Maker): number {
  const make = makers[maker]()
  for (let i = 0; i < 10; i++) make(`before-${i}`)
  const before = heapUsed()
  for (let i = 0; i < breakers; i++) make(['breaker', i].join('-'))
  const grown = heapUsed() - before
  make('after')
  return grown / breakers
}

function heapUsed(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const [, script, maker = ''] = process.argv
if (script === import.meta.filename && Object.hasOwn(makers, maker)) {
  process.send?.(measure(maker as Maker))
  process.exit()
}
