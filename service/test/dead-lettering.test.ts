import { type DeadLetters, memoryDeadLetters, UnavailableError } from 'switchgear'
import { describe, expect, it } from 'vitest'
import { deadLettering } from '../src/dead-letters/dead-lettering.ts'
import type { Deliver, Failure } from '../src/delivery/deliver-message.ts'
import type { Claimed } from '../src/store/stored-alert.ts'

const message = (id: string): Claimed => ({
  id,
  alert: {
    organization: 'acme corp.',
    id: 'alert-1',
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: '',
    labels: {},
    acceptedAt: 0,
  },
  receiver: 'hook',
  channel: 'webhook',
  destination: 'webhook:acme.example',
  attempts: [],
  reached: [],
  refused: {},
  leftMs: 60_000,
})

const failure: Failure = { type: 'server_error', retryable: true, name: 'HttpAnswerError', message: 'answered 500' }
const fails: Deliver = async ({ message: { id } }) => ({
  record: {
    id,
    state: 'deadLettered',
    reason: 'server_error',
    lastError: 'answered 500',
    attempts: [{ at: 1, error: 'answered 500' }, { at: 2 }],
    reached: ['a@x'],
  },
  failure,
})

function outcomes(deadLetters: Pick<DeadLetters, 'enqueue'>, deliver = fails) {
  const logged: string[] = []
  const log = (level: string) => (_facts: object, text?: string) => void logged.push(`${level}: ${text}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const delivering = deadLettering(deliver, { deadLetters, logger, deadlineMs: 50 })
  const { signal } = new AbortController()
  return {
    logged,
    of: async (id: string) => (await delivering({ message: message(id), signal, stopping: false, sending: 0 })).record,
  }
}

describe('a message that has failed for good', () => {
  it('has a letter when its outcome is known, and the same one when it fails again', async () => {
    const deadLetters = memoryDeadLetters()
    const { of, logged } = outcomes(deadLetters)
    const record = await of('m-1')
    expect(record).toMatchObject({ state: 'deadLettered', reason: 'server_error', letterId: 'acme%20corp%2E.m-1' })
    expect(await of('m-1')).toEqual(record)
    const { items } = await deadLetters.list()
    expect(items).toMatchObject([
      {
        id: record.letterId,
        organization: 'acme corp.',
        channel: 'webhook',
        messageId: 'm-1',
        errorType: 'server_error',
        error: { name: 'HttpAnswerError', message: 'answered 500' },
        payload: { alert: { id: 'alert-1' }, receiver: 'hook', destination: 'webhook:acme.example', reached: ['a@x'] },
        attempts: [
          { at: 1, error: 'answered 500' },
          { at: 2, error: 'nobody knows how it ended' },
        ],
        retryCount: 1,
      },
    ])
    expect(logged).toEqual(Array.from({ length: 2 }, () => 'warn: a message was dead-lettered'))
  })

  it.each<[string, () => Pick<DeadLetters, 'enqueue'>, string]>([
    ['is full', () => memoryDeadLetters({ charactersMax: 1 }), 'charactersMax'],
    ['is away', () => ({ enqueue: () => Promise.reject(new UnavailableError('Redis', 'gone')) }), 'gone'],
    ['throws', () => ({ enqueue: () => raise(new TypeError('a mistake')) }), 'a mistake'],
    ['hangs', () => ({ enqueue: () => new Promise(() => {}) }), '50 ms'],
  ])('has failed, loudly and in time, where the queue %s', async (_what, queue, why) => {
    const { of, logged } = outcomes(queue())
    const { letterId, ...record } = await of('m-1')
    expect(letterId).toBeUndefined()
    expect(record).toMatchObject({
      state: 'failed',
      reason: 'server_error',
      lastError: expect.stringMatching(new RegExp(`^answered 500; .*could not be written.*${why}`)) as string,
    })
    expect(logged).toEqual([expect.stringMatching(/^error: .*could not be written/) as string])
  })

  it('has no letter when it was delivered, or waits', async () => {
    const deadLetters = memoryDeadLetters()
    for (const state of ['delivered', 'pending'] as const) {
      const { of } = outcomes(deadLetters, async ({ message: { id } }) => ({
        record: { id, state, attempts: [], reached: [] },
      }))
      expect((await of('m-1')).state).toBe(state)
    }
    expect(await deadLetters.count()).toBe(0)
  })
})

function raise(error: Error): never {
  throw error
}
