import { describe, expect, test } from 'vitest'
import { fairRoom, type Waiting } from '../../../src/streams/pipeline/fair-room.ts'

describe('a room that keys share', () => {
  test('turns away the newest of the longest lane, and that is the flood', () => {
    const away: string[] = []
    const room = fairRoom<string>(4, (item, key) => void away.push(`${key}:${item}`))
    for (const item of ['a1', 'a2', 'a3', 'a4', 'a5']) room.enter('a', item)
    expect(away).toEqual(['a:a5'])
    room.enter('b', 'b1')
    room.enter('b', 'b2')
    expect(away).toEqual(['a:a5', 'a:a4', 'a:a3'])
    room.enter('b', 'b3')
    room.enter('c', 'c1')
    expect(away).toEqual(['a:a5', 'a:a4', 'a:a3', 'b:b3', 'a:a2'])
    expect(room.size).toBe(4)
  })

  test('never turns away the first of a lane for another', () => {
    const away: string[] = []
    const room = fairRoom<string>(2, (item) => void away.push(item))
    expect(room.enter('a', 'a1')).toBeDefined()
    expect(room.enter('b', 'b1')).toBeDefined()
    expect(room.enter('c', 'c1')).toBeUndefined()
    expect(away).toEqual(['c1'])
  })

  test('has room again when one leaves, and forgets a lane that is empty', () => {
    const room = fairRoom<number>(1, () => expect.unreachable())
    const first = room.enter('a', 1) as Waiting<number>
    room.leave(first)
    room.leave(first)
    expect(room.size).toBe(0)
    const second = room.enter('a', 2)
    expect(second?.lane).not.toBe(first.lane)
    expect(second?.lane.items.first).toBe(second)
  })
})
