import { afterEach, beforeEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { sized } from '../sized.ts'
import { until } from '../servers/until.ts'
import { type ChaosFleet, startChaosFleet } from './chaos-fleet.ts'
import { faults, injectFaults } from './chaos-faults.ts'
import { chaosLaws } from './chaos-laws.ts'

/** A run in `npm run chaos` has every kind of fault more than once. */
const faultCount = sized(5, 2 * Object.keys(faults).length)
const seed = Number(process.env['SWITCHGEAR_SEED'] ?? Date.now() % 1_000_000)

let fleet: ChaosFleet
beforeEach(async () => {
  fleet = await startChaosFleet(3)
})
afterEach(() => fleet.end())

test(`real servers that fail ${faultCount} times, seed ${seed}: no law is broken`, async () => {
  const startedAt = performance.now()
  const linked = async (): Promise<true | undefined> =>
    (await Promise.all(fleet.units.map((unit) => unit.standing()))).every(({ link }) => link === 'linked') || undefined
  await until('the fleet to be linked', linked, 60_000)
  const { next } = seededRandom(seed)
  const injected = await injectFaults(fleet, faultCount, next)
  const broken: string[] = []
  const checked: (readonly [law: string, operations: number])[] = []
  for (const [law, check] of Object.entries(chaosLaws)) {
    try {
      checked.push([law, await check(fleet)])
    } catch (error) {
      broken.push(`${law}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  console.info(tableOf(injected, checked, broken, performance.now() - startedAt))
  expect(broken).toEqual([])
  // Where nothing was seen nothing was shown.
  for (const [law, operations] of checked) if (faultCount >= 20) expect([law, operations > 0]).toEqual([law, true])
})

function tableOf(
  injected: ReadonlyMap<string, number>,
  checked: readonly (readonly [string, number])[],
  broken: readonly string[],
  tookMs: number,
): string {
  const row = ([name, count]: readonly [string, number]): string => `  ${name.padEnd(30)} ${String(count).padStart(7)}`
  const sum = (counts: Iterable<readonly [string, number]>): number =>
    [...counts].reduce((total, [, count]) => total + count, 0)
  const operations = fleet.units.reduce((total, { seen }) => total + seen.length, 0) + fleet.stored.length
  return [
    `chaos with seed ${seed}, ${(tookMs / 1_000).toFixed(0)} s; replay with SWITCHGEAR_SEED=${seed}`,
    'faults',
    ...[...injected].toSorted(([a], [b]) => a.localeCompare(b)).map(row),
    row(['in all', sum(injected)]),
    'laws, and what each was checked on',
    ...checked.map(row),
    row(['operations recorded', operations]),
    row(['laws checked', checked.length + broken.length]),
    row(['laws broken', broken.length]),
  ].join('\n')
}
