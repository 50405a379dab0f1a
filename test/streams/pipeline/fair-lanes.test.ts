import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Chain } from '../../../src/streams/pipeline/chain.ts'
import { FairLanes, type Queued } from '../../../src/streams/pipeline/fair-lanes.ts'

class Item implements Queued<Item> {
  chain: Chain<Item> | undefined
  before: Item | undefined
  after: Item | undefined
  readonly id: number
  readonly key: string
  readonly place: object

  constructor(id: number, key: string, place: object) {
    this.id = id
    this.key = key
    this.place = place
  }
}

const places = [{ name: 'x' }, { name: 'y' }] as const
const free = (): undefined => undefined

const steps = fc.array(
  fc.oneof(
    fc.record({
      does: fc.constant('add' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      place: fc.constantFrom(...places),
    }),
    fc.record({ does: fc.constantFrom('next' as const, 'putBack' as const, 'leave' as const, 'remove' as const) }),
    fc.record({ does: fc.constantFrom('shut' as const, 'release' as const), place: fc.constantFrom(...places) }),
  ),
  { maxLength: 60 },
)

test('nothing is lost, nothing comes twice, and each lane keeps its order, whatever stands aside, comes back or is taken out', () => {
  fc.assert(
    fc.property(fc.boolean(), steps, (ordered, script) => {
      const lanes = new FairLanes<Item>(ordered)
      const shut = new Set<object>()
      const waiting: Item[] = []
      const inTurn: Item[] = []
      let added = 0
      for (const step of script) {
        if (step.does === 'add') {
          const item = new Item((added += 1), step.key, step.place)
          lanes.add(item)
          waiting.push(item)
        }
        if (step.does === 'next') {
          const item = lanes.next(({ place }) => (shut.has(place) ? place : undefined))
          const may = waiting.filter((one) => mayGo(one, { ordered, waiting, inTurn, shut }))
          if (item === undefined) expect(may).toEqual([])
          else expect(may).toContain(item)
          if (item !== undefined) inTurn.push(...waiting.splice(waiting.indexOf(item), 1))
        }
        const [first] = inTurn
        if (step.does === 'putBack' && first !== undefined) {
          lanes.putBack(first)
          waiting.unshift(...inTurn.splice(0, 1))
        }
        if (step.does === 'leave' && first !== undefined) lanes.left(...(inTurn.splice(0, 1) as [Item]))
        const last = waiting.at(-1)
        if (step.does === 'remove' && last !== undefined) lanes.remove(...(waiting.splice(-1) as [Item]))
        if (step.does === 'shut') shut.add(step.place)
        if (step.does === 'release') {
          shut.delete(step.place)
          lanes.release(step.place)
        }
        expect(lanes.size).toBe(waiting.length)
      }
      expect(new Set(lanes.all())).toEqual(new Set(waiting))
    }),
    { numRuns: 1_000 },
  )
})

/** It is the first of its lane, nothing is in its way, and, ordered, none of its key has its turn. */
function mayGo(
  item: Item,
  {
    ordered,
    waiting,
    inTurn,
    shut,
  }: {
    readonly ordered: boolean
    readonly waiting: readonly Item[]
    readonly inTurn: readonly Item[]
    readonly shut: ReadonlySet<object>
  },
): boolean {
  const isBeside = (one: Item): boolean => one.key === item.key && (ordered || one.place === item.place)
  if (shut.has(item.place) || waiting.find(isBeside) !== item) return false
  return !ordered || !inTurn.some((one) => one.key === item.key)
}

test('a key that comes later has its turn after one of each of the others', () => {
  const lanes = new FairLanes<Item>(false)
  for (let id = 0; id < 100; id += 1) lanes.add(new Item(id, 'flood', places[id % 2] ?? places[0]))
  expect(lanes.next(free)?.id).toBe(0)
  lanes.add(new Item(100, 'calm', places[0]))
  expect([lanes.next(free)?.id, lanes.next(free)?.id, lanes.next(free)?.id]).toEqual([1, 100, 2])
})
