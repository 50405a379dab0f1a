import { UnavailableError } from 'switchgear'
import { expect, it } from 'vitest'
import { sharedHolds } from '../src/delivery/holds.ts'
import type { Hold } from '../src/store/holds.ts'

const logger = { info() {}, warn() {}, error() {} }
const destination = 'webhook:acme.example'

function watched(failure?: Error) {
  const written: Hold[] = []
  const hold = async (given: Hold): Promise<void> => {
    if (failure !== undefined) throw failure
    written.push(given)
  }
  return { written, holds: sharedHolds({ store: { hold }, logger }) }
}

it('What several messages hear is written once, and what is longer again', async () => {
  const { holds, written } = watched()
  for (const forMs of [60_000, 30_000, 59_000]) holds.hold(destination, forMs)
  holds.hold('webhook:globex.example', 1_000)
  holds.hold(destination, 120_000)
  await holds.idle()
  expect(written).toEqual([
    { destination, leftMs: 60_000 },
    { destination: 'webhook:globex.example', leftMs: 1_000 },
    { destination, leftMs: 120_000 },
  ])
  expect(holds.leftMs(destination)).toBeGreaterThan(60_000)
})

it('What the store says is kept to, and not told to it again', async () => {
  const { holds, written } = watched()
  holds.learn({ destination, leftMs: 60_000 })
  holds.hold(destination, 30_000)
  await holds.idle()
  expect(holds.leftMs(destination)).toBeGreaterThan(30_000)
  expect(written).toEqual([])
})

it('A destination is left alone though the store cannot be told', async () => {
  const { holds } = watched(new UnavailableError('PostgreSQL', 'it is away'))
  holds.hold(destination, 60_000)
  await holds.idle()
  expect(holds.leftMs(destination)).toBeGreaterThan(30_000)
})
