import { afterEach, expect, it, vi } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { regularly } from '../src/delivery/regularly.ts'

afterEach(() => void vi.useRealTimers())

const logger = { info() {}, warn() {}, error() {} }

it('A job is done again and again, also after it has failed, which the log says', async () => {
  const said: string[] = []
  let times = 0
  const job = async (): Promise<void> => {
    times += 1
    if (times === 1) throw new Error('no')
  }
  const log = { ...logger, error: (_facts: object, text: string) => void said.push(text) }
  const regular = regularly(1, 'it could not be done', job, log)
  await until('three times', () => times >= 3 || undefined)
  await regular.stop()
  expect(said).toEqual(['it could not be done'])
})

it('A job that takes long is not done twice at a time; who asks for it meanwhile waits for it, and so does the end', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  let begun = 0
  let end = (): void => {}
  const job = (): Promise<void> => {
    begun += 1
    return new Promise((resolve) => (end = resolve))
  }
  const regular = regularly(1, 'it could not be done', job, logger)
  const [first, second] = [regular.now(), regular.now()]
  vi.advanceTimersByTime(10)
  expect(begun).toBe(1)
  let isStopped = false
  const stopped = regular.stop().then(() => (isStopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isStopped).toBe(false)
  end()
  await Promise.all([first, second, stopped])
  expect(begun).toBe(1)
})
