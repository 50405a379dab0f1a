import { outage, simulate } from 'switchgear/testing'
import type { Bench, Measured } from './harness.ts'

/** How much CPU time a simulated fleet takes: 60 s of outage, 60 calls a second for each instance. */
export const simulateBench: Bench = {
  name: 'simulate',
  what: 'CPU time of one simulated outage of 60 s, in 100 simulated seconds; each run once, not a median',
  async run() {
    // The first run warms the code up, for all of them.
    await play(100)
    const curve: Measured[] = []
    for (const instances of [1, 10, 100]) curve.push(rowOf(instances, await play(instances)))
    const largest = await play(1_000)
    const again = await play(1_000)
    return [
      ...curve,
      { ...rowOf(1_000, largest), goal: { atMost: 5_000 }, limit: '1,200' },
      count('calls', 'calls that 1,000 instances made', largest.calls),
      count('sameHash', 'the same seed gave the same trace (1: yes)', largest.hash === again.hash ? 1 : 0, 1),
      count('instanceHours', 'instance-hours a minute of CPU', (1_000 / 36 / largest.cpuMs) * 60_000, 100),
      {
        id: 'bytes',
        what: 'memory of the process at its most',
        unit: 'bytes',
        goal: { atMost: 500_000_000 },
        value: process.resourceUsage().maxRSS * 1_024,
        peers: {},
      },
    ]
  },
}

interface Run {
  readonly cpuMs: number
  readonly calls: number
  readonly hash: string
}

async function play(instances: number): Promise<Run> {
  const before = process.cpuUsage()
  const { with: guarded, traceHash } = await simulate({
    config: { breakers: { smtp: {} } },
    instances,
    seed: 7,
    scenario: outage({ of: 'smtp', fromMs: 10_000, forMs: 60_000 }),
    // What playing it twice checks is measured here as the second run of all.
    twice: false,
  })
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1_000, calls: guarded.calls, hash: traceHash }
}

function rowOf(instances: number, { cpuMs }: Run): Measured {
  return { id: `ms${instances}`, what: `${instances} instances`, unit: 'ms', value: cpuMs, peers: {} }
}

function count(id: string, what: string, value: number, atLeast?: number): Measured {
  return { id, what, unit: 'count', value, peers: {}, ...(atLeast !== undefined && { goal: { atLeast } }) }
}
