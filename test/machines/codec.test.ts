import { describe, expect, test } from 'vitest'
import { decodeEvent, encodeEvent } from '../../src/machines/breaker-codec.ts'
import type { BreakerEvent } from '../../src/machines/breaker-events.ts'
import { decided, halfOpen, open, order, trip } from './authored.ts'

const counts = { calls: 20, failures: 5, slow: 0, consecutiveFailures: 5 }
const events: readonly BreakerEvent[] = [
  decided(trip()),
  decided(trip(), { options: { quorum: 2 } }),
  decided({ type: 'claim' }, { state: open, logNow: 11_000 }),
  ...(['passed', 'failed', 'hung', 'ignored'] as const).map((result) =>
    decided({ type: 'probeEnded', fence: 'the fence', result, counts }, { state: halfOpen, logNow: 11_000 }),
  ),
  decided(
    { type: 'probeEnded', fence: 'the fence', result: 'passed', counts },
    { state: halfOpen, logNow: 11_000, options: { probe: { successesToClose: 2 } } },
  ),
  decided({ type: 'order', kind: 'forcedOpen', order: { ...order, forMs: 5_000 } }),
  decided({ type: 'order', kind: 'disabled', order: { by: '漢 "quoted"', reason: '\u0000\ud800 line\nline' } }),
  decided({ type: 'restore', state: { ...open, term: 9 } }),
]

const textOf = (event: BreakerEvent) => new TextDecoder().decode(encodeEvent(event))
const bytesOf = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

describe('the codec', () => {
  test.each(events.map((event) => [event.fact?.type, event] as const))('gives back %s as it was', (_type, event) => {
    expect(decodeEvent(encodeEvent(event))).toEqual(event)
  })

  test('writes a CloudEvent 1.0 as wire.md has it', () => {
    const event = decided({ ...trip(), counts } as never, { instance: 'alerts-7f', fleet: 'alerts', id: '01JD' })
    expect(JSON.parse(textOf(event))).toEqual({
      specversion: '1.0',
      id: '01JD',
      source: '/switchgear/alerts/alerts-7f',
      subject: 'smtp',
      type: 'io.switchgear.breaker.opened.v1',
      time: '1970-01-01T00:00:10.000Z',
      datacontenttype: 'application/json',
      data: {
        from: 'closed',
        to: 'open',
        term: 1,
        by: 'alerts-7f',
        reason: 'failureThreshold',
        counts,
        quorum: 1,
        retryAfterMs: 1_000,
        notBefore: null,
        validUntil: '1970-01-01T00:00:20.000Z',
        before: { mode: 'closed', term: 0, failedRecoveries: 0, passes: 0, attempts: 0, votes: [] },
        after: { mode: 'open', term: 1, failedRecoveries: 0, passes: 0, attempts: 0, votes: [], retryAfterMs: 1_000 },
      },
    })
  })

  test('passes over fields that it does not know, at every level, and takes a missing `attempts` as 0', () => {
    const written = JSON.parse(textOf(decided(trip()))) as { data: Record<string, Record<string, unknown>> }
    const { before = {}, after = {} } = written.data
    delete before['attempts']
    delete after['attempts']
    const more = {
      ...written,
      extra: 1,
      data: { ...written.data, extra: 1, before: { ...before, extra: 1 }, after: { ...after, extra: 1 } },
    }
    expect(decodeEvent(bytesOf(more))).toEqual(decided(trip()))
  })

  test('reads times with an offset, and with fractions', () => {
    const text = textOf(decided(trip())).replace('1970-01-01T00:00:20.000Z', '1970-01-01T02:00:20+02:00')
    expect(decodeEvent(bytesOf(text)).validUntil).toBe(20_000)
  })

  const good = JSON.parse(textOf(decided(trip()))) as Record<string, unknown> & { data: Record<string, unknown> }
  test.each([
    ['nothing', new Uint8Array()],
    ['no UTF-8', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['no JSON', bytesOf('{')],
    ['null', bytesOf('null')],
    ['a list', bytesOf('[]')],
    ['another version of CloudEvents', bytesOf({ ...good, specversion: '2.0' })],
    ['no id', bytesOf({ ...good, id: '' })],
    ['a time that is none', bytesOf({ ...good, time: 'yesterday' })],
    ['no data', bytesOf({ ...good, data: undefined })],
    ['a mode that there is not', bytesOf({ ...good, data: { ...good.data, from: 'ajar' } })],
    ['a negative term', bytesOf({ ...good, data: { ...good.data, term: -1 } })],
    ['a term that is no whole number', bytesOf({ ...good, data: { ...good.data, term: 1.5 } })],
    ['a negative wait', bytesOf({ ...good, data: { ...good.data, retryAfterMs: -1 } })],
    ['a wait that is a text', bytesOf({ ...good, data: { ...good.data, retryAfterMs: '1' } })],
    ['no window', bytesOf({ ...good, data: { ...good.data, validUntil: null } })],
    [
      'votes that are none',
      bytesOf({ ...good, data: { ...good.data, before: { ...(good.data['before'] as object), votes: [1] } } }),
    ],
    ['a deep nest', bytesOf(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decodeEvent(bytes)).toThrow()
  })

  test.each(['toString', 'constructor', '__proto__', 'hasOwnProperty'])(
    'does not take the type %s for one of its own',
    (name) => {
      const event = decodeEvent(bytesOf({ ...good, type: `io.switchgear.breaker.${name}.v1` }))
      expect(event.fact).toBeUndefined()
    },
  )
})
