import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Makes so many calls, one after the other unless it is about concurrency, and returns something that depends on every
 * one of them, so that nothing can be optimized away.
 */
export type Contender = (calls: number) => number | Promise<number>

/** `atMost` is of costs, `atLeast` is of rates. */
export type Goal = { readonly atMost: number } | { readonly atLeast: number }

/** A line of the table. */
export interface Row {
  /** Its key in the JSON. */
  readonly id: string
  readonly what: string
  readonly goal?: Goal
  /** What a hand-written minimum reached. */
  readonly limit?: string
  /** `ratio`, unless it is said. */
  readonly unit?: 'bytes' | 'count' | 'ms'
}

export interface Measured extends Row {
  readonly value: number
  /** The same of others, by their name. */
  readonly peers: Readonly<Record<string, number>>
}

export interface Bench {
  readonly name: string
  /** What the ratios are to. */
  readonly what: string
  run(): Promise<readonly Measured[]>
}

export interface Contest {
  /** What a ratio is to. */
  readonly baseline: Contender
  /** `cpu` for work in this process, `wall` where a server answers, `told` where contenders return their own ms; `cpu`. */
  readonly time?: 'cpu' | 'wall' | 'told'
  readonly rows: readonly (Row & { readonly ours: Contender; readonly peers?: Readonly<Record<string, Contender>> })[]
}

/** How often every contender is measured. */
export const rounds = 15
/** How long one measurement takes at least, in ms: long beside the resolution of the clocks and a young collection. */
const sampleMs = 20
/** Measurements before those that count. */
const warmUps = 3

/**
 * The ratios of a contest. Contenders take turns in random order, and each is compared with the baseline of its own
 * round, so that a machine that gets slower meanwhile does not decide who wins; medians over the rounds.
 */
export async function compare({ baseline, time = 'cpu', rows }: Contest): Promise<readonly Measured[]> {
  const contenders = [baseline, ...rows.flatMap(({ ours, peers = {} }) => [ours, ...Object.values(peers)])]
  const timed = contenders.map((contender) => ({ contender, calls: 1, costs: [] as number[] }))
  for (const entry of timed) entry.calls = await callsThatFill(entry.contender, time)
  for (let round = 0; round < rounds; round++) {
    for (const entry of shuffled(timed)) {
      collectYoung()
      entry.costs.push((await timeOf(entry.contender, entry.calls, time)) / entry.calls)
    }
  }
  const costsOf = (contender: Contender) => timed.find((entry) => entry.contender === contender)?.costs ?? []
  const baseCosts = costsOf(baseline)
  return rows.map(({ ours, peers = {}, ...row }) => {
    const ratio = (contender: Contender) =>
      median(costsOf(contender).map((cost, round) => toRatio(row.goal, cost, baseCosts[round] ?? NaN)))
    return { ...row, value: ratio(ours), peers: mapValues(peers, ratio) }
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, to: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]))
}

const clocks = {
  cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },
  wall: () => performance.now(),
}

/** What so many calls took, in ms. */
async function timeOf(contender: Contender, calls: number, time: keyof typeof clocks | 'told'): Promise<number> {
  if (time === 'told') return contender(calls)
  const startedAt = clocks[time]()
  consume(await contender(calls))
  return clocks[time]() - startedAt
}

/** Warms the contender up, and finds how many calls fill a measurement. */
async function callsThatFill(contender: Contender, time: NonNullable<Contest['time']>): Promise<number> {
  let calls = 1
  for (let warm = 0; warm < warmUps;) {
    const tookMs = await timeOf(contender, calls, time)
    if (tookMs >= sampleMs) warm++
    else calls = Math.ceil(calls * Math.min(10, (sampleMs * 1.2) / Math.max(tookMs, 0.01)))
  }
  return calls
}

function toRatio(goal: Goal | undefined, cost: number, baseCost: number): number {
  return goal !== undefined && 'atLeast' in goal ? baseCost / cost : cost / baseCost
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as (options: { type: 'minor' }) => void

/** So that nobody pays for the garbage of those before. A full collection would forget code that waits for its turn. */
function collectYoung(): void {
  collectGarbage({ type: 'minor' })
}

let consumed = 0
function consume(result: number): void {
  consumed += result
  if (Number.isNaN(consumed)) throw new Error('a contender returned NaN: did its calls do what they should?')
}
