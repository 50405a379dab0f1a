import { describe, expect, test } from 'vitest'
import { outcomeWindow, timeSlices } from '../../src/machines/outcome-window.ts'

const counts = ({ calls, failures, slow }: ReturnType<typeof outcomeWindow>) => [calls, failures, slow]

describe('a window over calls', () => {
  test('holds the last so many, whatever they were', () => {
    const window = outcomeWindow({ calls: 3 })
    const seen = [
      [true, true],
      [false, true],
      [true, false],
      [false, false],
      [false, false],
      [false, false],
    ].map(([failed = false, slow = false]) => {
      window.record(failed, slow, 0)
      return counts(window)
    })
    expect(seen).toEqual([
      [1, 1, 1],
      [2, 1, 2],
      [3, 2, 2],
      [3, 1, 1],
      [3, 1, 0],
      [3, 0, 0],
    ])
  })

  test('takes what others saw as if the good news had come first: it is forgotten first', () => {
    const window = outcomeWindow({ calls: 4 })
    window.add({ calls: 9, failures: 2, slow: 1 }, 0)
    const seen = [1, 2, 3, 4].map(() => {
      window.record(false, false, 0)
      return counts(window)
    })
    expect(seen).toEqual([
      [4, 2, 1],
      [4, 2, 1],
      [4, 1, 1],
      [4, 0, 0],
    ])
  })

  test('of one call holds that one', () => {
    const window = outcomeWindow({ calls: 1 })
    window.record(true, false, 0)
    window.record(false, true, 0)
    expect(counts(window)).toEqual([1, 0, 1])
  })
})

describe('a window over time', () => {
  test('slides slice by slice, and covers at least 19 of its 20 slices', () => {
    const window = outcomeWindow({ ms: 2_000 })
    for (let at = 0; at < 4_000; at += 100) window.record(true, false, at)
    expect(counts(window), 'one for each slice').toEqual([timeSlices, timeSlices, 0])
    window.record(false, true, 3_999)
    expect(counts(window)).toEqual([timeSlices + 1, timeSlices, 1])
    window.record(false, false, 4_000)
    expect(counts(window)).toEqual([timeSlices + 1, timeSlices - 1, 1])
  })

  test('is empty after its length without calls, also where time begins below 0', () => {
    const window = outcomeWindow({ ms: 2_000 })
    window.record(true, true, -5_050)
    window.record(true, true, -5_000)
    window.record(false, false, -3_000)
    expect(counts(window)).toEqual([1, 0, 0])
  })

  test('counts what comes with an earlier time than the last into its own slice', () => {
    const window = outcomeWindow({ ms: 2_000 })
    window.record(true, false, 1_000)
    window.record(true, false, 900)
    expect(counts(window)).toEqual([2, 2, 0])
    window.record(false, false, 2_900)
    expect(counts(window), 'the earlier one is gone, the other is not').toEqual([2, 1, 0])
  })

  test('of a length that 20 does not divide loses nothing to rounding', () => {
    const window = outcomeWindow({ ms: 33 })
    for (let at = 0; at < 10_000; at++) window.record(at % 3 === 0, false, at * 0.1)
    let [calls, failures] = [0, 0]
    for (let at = 0; at < 10_000; at++) {
      if (Math.floor((at * 0.1) / 1.65) <= Math.floor((9_999 * 0.1) / 1.65) - timeSlices) continue
      calls++
      failures += at % 3 === 0 ? 1 : 0
    }
    expect(counts(window)).toEqual([calls, failures, 0])
  })
})
