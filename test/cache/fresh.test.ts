import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { startRedis } from '../servers/start-redis.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { sized } from '../sized.ts'
import { type FreshProcess, startFreshProcess } from './fresh-processes.ts'
import type { Seen } from './fresh-worker.ts'
import type { SubjectName } from './subjects.ts'

const runs = sized(120, 1_000)
/** Enough to see it. */
const peerRuns = sized(80, 200)
const atOnce = 25
const seed = Number(process.env['SWITCHGEAR_SEED'] ?? Date.now() % 1e6)
/** What an invalidation takes to arrive where nobody can say when it did, in ms: a hundred times as long as it takes. */
const arrivesWithinMs = 300

let server: Awaited<ReturnType<typeof startRedis>>

beforeAll(async () => {
  server = await startRedis()
})

afterAll(() => server.stop())

/** Holds what goes over a wire back for some ms, again and again. */
function disturb(proxy: TcpProxy, chance: () => number): () => void {
  let timer: NodeJS.Timeout | undefined
  const hold = (): void => {
    const direction = chance() < 0.5 ? 'toServer' : 'toClient'
    proxy.hold(direction)
    timer = setTimeout(() => {
      proxy.release(direction)
      timer = setTimeout(hold, chance() * 6)
    }, chance() * 6)
  }
  hold()
  return () => clearTimeout(timer)
}

interface Violations {
  /** Reads of what was old, though the same process had invalidated it, or the other one and it had heard of it. */
  here: number
  there: number
  /** Runs in which there was one. */
  runs: number
  /** Pairs of a read and an invalidation before it that were compared. */
  compared: number
  /** Invalidations that resolved, and those that were rejected. */
  resolved: number
  rejected: number
}

const none: Violations = { here: 0, there: 0, runs: 0, compared: 0, resolved: 0, rejected: 0 }

/** What each of the two processes saw in a run. */
function judge(processes: readonly Seen[]): Violations {
  const found = { ...none }
  for (const { invalidations, rejected } of processes) {
    found.resolved += invalidations.length
    found.rejected += rejected
  }
  for (const [by, { reads, heardAt }] of processes.entries())
    for (const [from, { invalidations }] of processes.entries())
      for (const { id, truth, resolvedAt } of invalidations) {
        const elsewhereAt = id === undefined ? resolvedAt + arrivesWithinMs : (heardAt[id] ?? Infinity)
        for (const { key, beganAt, version } of reads) {
          if (beganAt <= (from === by ? resolvedAt : elsewhereAt)) continue
          found.compared += 1
          if (version < (truth[key] ?? 0)) found[from === by ? 'here' : 'there'] += 1
        }
      }
  if (found.here + found.there > 0) found.runs = 1
  return found
}

function together(one: Seen, other: Seen | undefined): Seen {
  return {
    ...one,
    reads: [...one.reads, ...(other?.reads ?? [])],
    invalidations: [...one.invalidations, ...(other?.invalidations ?? [])],
    rejected: one.rejected + (other?.rejected ?? 0),
    heardAt: { ...one.heardAt, ...other?.heardAt },
  }
}

async function play(subject: SubjectName, runsMax: number): Promise<Violations> {
  const { next } = seededRandom(seed)
  const proxies = await Promise.all([startTcpProxy(server.url), startTcpProxy(server.url)])
  const processes = await Promise.all(proxies.map(({ url }) => startFreshProcess(subject, url, server.url)))
  const both = (part: Parameters<FreshProcess['play']>[0]): Promise<Seen[]> =>
    Promise.all(processes.map((each, by) => each.play({ ...part, seed: part.seed + by })))
  const stops = proxies.map((proxy) => disturb(proxy, next))
  const sum = { ...none }
  const run = async (number: number): Promise<void> => {
    const organization = `${subject}-${number}`
    const during = await both({ organization, seed: seed + 2 * number, steps: 16 })
    await sleep(arrivesWithinMs)
    const after = await both({ organization, seed: 0, steps: 0 })
    const found = judge(during.map((seen, by) => together(seen, after[by])))
    for (const key of ['here', 'there', 'runs', 'compared', 'resolved', 'rejected'] as const) sum[key] += found[key]
  }
  try {
    let started = 0
    const lane = async (): Promise<void> => {
      while (started < runsMax) await run((started += 1))
    }
    await Promise.all(Array.from({ length: atOnce }, lane))
  } finally {
    for (const stop of stops) stop()
    await Promise.all(processes.map((each) => each.end()))
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  for (const each of processes) expect(each.stderr).toBe('')
  return sum
}

describe(`${runs} runs over two processes, with delays (SWITCHGEAR_SEED=${seed})`, () => {
  test('give nothing older than an invalidation that was resolved or heard of', async () => {
    const found = await play('switchgear', runs)
    console.info(`switchgear, ${runs} runs: ${JSON.stringify(found)}`)
    expect(found).toMatchObject({ here: 0, there: 0 })
    expect(found.compared).toBeGreaterThan(10 * runs)
    // A busy machine loses connections, and an invalidation that is rejected promises nothing: most were resolved.
    expect(found.rejected).toBeLessThan(found.resolved)
  })

  test.each(['bentocache', 'layered-loader'] as const)(
    'give old values with %s: the harness can see it',
    async (peer) => {
      const found = await play(peer, peerRuns)
      console.info(`${peer}, ${peerRuns} runs: ${JSON.stringify(found)}`)
      expect(found.here + found.there).toBeGreaterThan(0)
    },
  )
})
