import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createAlarms } from '../src/delivery/alarms.ts'

let rung: string[] = []
beforeEach(() => {
  rung = []
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => void vi.useRealTimers())

const alarms = () => createAlarms((destination) => rung.push(destination))

it('An alarm rings once, at the earliest time that anybody asked for, whoever asked first', () => {
  const { set } = alarms()
  set('earlier', 50)
  set('earlier', 100)
  set('later', 100)
  set('later', 60)
  vi.advanceTimersByTime(50)
  expect(rung).toEqual(['earlier'])
  vi.advanceTimersByTime(10)
  expect(rung).toEqual(['earlier', 'later'])
  vi.advanceTimersByTime(1_000)
  expect(rung).toEqual(['earlier', 'later'])
  set('earlier', 10)
  vi.advanceTimersByTime(10)
  expect(rung).toEqual(['earlier', 'later', 'earlier'])
})

it('An alarm for a time that no timer reaches does not ring at once, nor does one for a time that is over wait', () => {
  const { set } = alarms()
  set('never', Infinity)
  set('in a month', 31 * 86_400_000)
  set('over', -5)
  vi.advanceTimersByTime(1)
  expect(rung).toEqual(['over'])
})

it('No alarm rings after the end', () => {
  const { set, clear } = alarms()
  set('host', 10)
  clear()
  vi.advanceTimersByTime(1_000)
  expect(rung).toEqual([])
})
