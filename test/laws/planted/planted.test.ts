import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sized } from '../../sized.ts'
import { startNats } from '../../servers/start-nats.ts'
import { startRedis } from '../../servers/start-redis.ts'
import type { breakContract, Servers } from './all-contracts.ts'
import type { breakLaw, Broken } from './all-laws.ts'
import { type Plant, withPlant } from './plant.ts'
import { startPlanting, type Planting } from './planting.ts'
import { adapterPlants, serverPlants } from './plants-adapters.ts'
import { machinePlants } from './plants-machines.ts'
import { streamPlants } from './plants-streams.ts'

const plants: readonly Plant[] = [...machinePlants, ...streamPlants, ...adapterPlants]
/** In `npm test` every sixth; which ones changes with every plant that is added before them. */
const tried = plants.filter((_, at) => at % sized(6, 1) === 0)
const runs = 1_000

const laws = 'test/laws/planted/all-laws.ts'
const contracts = 'test/laws/planted/all-contracts.ts'

let planting: Planting
const caught: string[] = []
beforeAll(async () => {
  planting = await startPlanting()
})
afterAll(async () => {
  await planting.end()
  console.info(`${caught.length} planted bugs, each caught by the law that is named:\n${caught.join('\n')}`)
})

describe('a bug that is planted is caught by its law', () => {
  test.each(tried.map((plant) => [plant.name, plant.law, plant] as const))('%s (%s)', async (_name, law, plant) => {
    const broken = await breakWith(plant, { nats: '', redis: '' })
    expect(broken, `${law} holds in ${runs} cases`).toBeDefined()
    note(plant, broken)
  })

  test('and without it that law holds', async () => {
    const { breakLaw: tryLaw } = await planting.load<{ breakLaw: typeof breakLaw }>(undefined, laws)
    for (const law of new Set(tried.map((plant) => plant.law).filter((name) => !name.startsWith('portContracts.'))))
      expect([law, await tryLaw(law, sized(5, 100))]).toEqual([law, undefined])
  })
})

test('so is one in an adapter, by the contract of its port, on a real server', async () => {
  const [nats, redis] = await Promise.all([startNats(), startRedis()])
  const servers = { nats: nats.url, redis: redis.url }
  const some = serverPlants.slice(0, sized(1, serverPlants.length))
  try {
    for (const plant of some) {
      const broken = await breakWith(plant, servers)
      expect(broken, `${plant.law} holds with: ${plant.name}`).toBeDefined()
      note(plant, broken)
    }
    const sound = await planting.load<{ breakContract: typeof breakContract }>(undefined, contracts)
    for (const law of new Set(some.map((plant) => plant.law)))
      expect([law, await sound.breakContract(law, servers)]).toEqual([law, undefined])
  } finally {
    await Promise.all([nats.stop(), redis.stop()])
  }
})

test('every plant finds its place in the sources, and there are at least 20', () => {
  expect(plants.length).toBeGreaterThanOrEqual(20)
  expect(new Set(plants.map(({ name }) => name)).size).toBe(plants.length)
  for (const plant of [...plants, ...serverPlants]) {
    const path = fileURLToPath(new URL(`../../../${plant.file}`, import.meta.url))
    expect(() => withPlant(readFileSync(path, 'utf8'), plant), plant.name).not.toThrow()
  }
})

test('a plant whose place is gone says so', () => {
  const plant: Plant = { name: 'a bug', file: 'src/a.ts', find: 'one', replace: 'two', law: 'breaker.total' }
  expect(() => withPlant('none', { ...plant, find: 'not there' })).toThrow('"a bug" cannot be planted')
  expect(() => withPlant('one one', plant)).toThrow('more than one such place')
})

async function breakWith(plant: Plant, servers: Servers): Promise<Broken | undefined> {
  if (plant.law.startsWith('portContracts.')) {
    const loaded = await planting.load<{ breakContract: typeof breakContract }>(plant, contracts)
    return loaded.breakContract(plant.law, servers)
  }
  const loaded = await planting.load<{ breakLaw: typeof breakLaw }>(plant, laws)
  return loaded.breakLaw(plant.law, runs)
}

function note({ law, name }: Plant, broken: Broken | undefined): void {
  caught.push(`  ${law.padEnd(34)} ${String(broken?.cases).padStart(4)} cases  ${name}: ${broken?.because}`)
}
