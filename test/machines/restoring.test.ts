import { expect, test } from 'vitest'
import { intoNewEpoch, unread, type Position } from '../../src/machines/fold.ts'
import { initialState } from '../../src/machines/fleet-state.ts'
import { restoreAll, restoresAtOnce } from '../../src/machines/restoring.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { halfOpen, open } from './authored.ts'

const known = (state: Position['state']): Position => intoNewEpoch({ ...unread, seq: 9, state })
const closed = { ...initialState, term: 4 }

function newEpoch(breakers: number): Map<string, Position> {
  const states = [closed, open, closed, halfOpen]
  return new Map(Array.from({ length: breakers }, (_, at) => [`breaker ${at}`, known(states[at % 4] ?? closed)]))
}

async function restored(positions: ReadonlyMap<string, Position>, seed: number, during?: (breaker: string) => void) {
  const told: string[] = []
  let underWay = 0
  let most = 0
  await restoreAll(positions, seededRandom(seed), async (breaker) => {
    most = Math.max(most, ++underWay)
    told.push(breaker)
    during?.(breaker)
    await Promise.resolve()
    underWay--
    return false
  })
  return { told, most }
}

test('tells a new log of every breaker once, a few at a time, those that are not closed first', async () => {
  const positions = newEpoch(100)
  const { told, most } = await restored(positions, 1)
  expect(new Set(told).size).toBe(100)
  expect(told).toHaveLength(100)
  expect(most).toBe(restoresAtOnce)
  const modes = told.map((breaker) => positions.get(breaker)?.held?.state.mode)
  expect(modes.indexOf('closed')).toBe(50)
})

test('two instances do not go in the same order', async () => {
  const positions = newEpoch(100)
  expect((await restored(positions, 1)).told).not.toEqual((await restored(positions, 2)).told)
})

test('passes over what another instance has told meanwhile, and what the new log knows as well', async () => {
  const positions = newEpoch(100)
  positions.set('never opened', unread)
  const { told } = await restored(positions, 1, () => {
    for (const [breaker, position] of positions) if (breaker.endsWith('3')) positions.set(breaker, toldOf(position))
  })
  expect(told).not.toContain('never opened')
  expect(told.filter((breaker) => breaker.endsWith('3')).length).toBeLessThanOrEqual(1)
})

test('says again what the log did not answer, until it knows it', async () => {
  const positions = newEpoch(4)
  const told: string[] = []
  await restoreAll(positions, seededRandom(1), async (breaker) => {
    told.push(breaker)
    const position = positions.get(breaker)
    if (told.length > 10 && position !== undefined) positions.set(breaker, toldOf(position))
    return true
  })
  expect(new Set(told).size).toBe(4)
  expect(told.length).toBeGreaterThan(10)
})

/** The new log has it. */
function toldOf({ held }: Position): Position {
  return { ...unread, seq: 1, state: held?.state ?? initialState }
}
