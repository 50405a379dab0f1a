import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEvent } from '../../src/machines/breaker-codec.ts'
import { logScripts, writeLog } from '../../src/testing/written-log.ts'
import { closed, readDocument, schemasOf } from './document.ts'

const specification = new URL(import.meta.resolve('@asyncapi/specs/schemas/3.0.0.json'))
// The specification brings its own copy of JSON Schema along, and so the one of the validator stays away.
const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
addFormats.default(ajv)
const isAsyncApi = ajv.compile(JSON.parse(readFileSync(specification, 'utf8')) as object)

const document = readDocument()
const types = Object.entries(document.channels['log']?.messages ?? {}).map(([type]) => type)
const prefix = 'io.switchgear.breaker.'

describe('docs/asyncapi.yaml', () => {
  test('is an AsyncAPI 3.0 document', () => {
    isAsyncApi(document)
    expect(isAsyncApi.errors).toBe(null)
  })

  test.each([
    ['a channel without an address that is a text', (text: string) => text.replace(/address: .*/, 'address: [1]')],
    ['an operation that neither sends nor receives', (text: string) => text.replace('action: send', 'action: shout')],
  ])('would not be one with %s', async (_what, plant) => {
    const { parse } = await import('yaml')
    const text = plant(readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8'))
    expect(isAsyncApi(parse(text))).toBe(false)
  })

  test('has no reference that leads nowhere, and no schema or message that nobody refers to', () => {
    const references = new Set(JSON.stringify(document).match(/(?<="\$ref":")[^"]+/g))
    for (const reference of references) expect(at(document, reference), reference).toBeDefined()
    for (const kind of ['schemas', 'messages'] as const)
      for (const name of Object.keys(document.components[kind]))
        expect(references, name).toContain(`#/components/${kind}/${name}`)
  })

  test('has the subjects of the protocol', () => {
    expect(Object.values(document.channels).map(({ address }) => address)).toEqual([
      'switchgear.v1.{fleet}.log.{breaker}',
      'switchgear.v1.{fleet}.transitions.{breaker}',
      'switchgear.v1.{fleet}.audit.{breaker}',
      'switchgear.v1.{fleet}.evidence.{breaker}',
      'switchgear.v1.{fleet}.invalidate',
      'switchgear.v1.{fleet}.instances',
      'switchgear.v1.{fleet}.alerts.{organization}',
    ])
  })
})

describe('the schema of an event', () => {
  const schemaOf = schemasOf(closed(document))
  const eventSchema = (type: string) => schemaOf(`#/components/schemas/${type}Event`)

  test('holds for every event that is decided in the logs of a fleet, field by field, and every type comes', () => {
    const seen = new Set<string>()
    const written = logScripts({ faults: ['secondWinner', 'late', 'early', 'useless', 'forged'] })
    const everyEventIsDescribed = fc.property(written, (script) => {
      for (const { data } of writeLog(script).messages) {
        const { type } = decodeEvent(data)
        const name = type.slice(prefix.length, -'.v1'.length)
        const validate = eventSchema(name)
        if (!validate(JSON.parse(new TextDecoder().decode(data)))) throw new Error(JSON.stringify(validate.errors))
        seen.add(name)
      }
    })
    const seed = Number.parseInt(process.env['SWITCHGEAR_SEED'] ?? '1', 10)
    fc.assert(everyEventIsDescribed, { numRuns: 1_000, seed })
    expect([...seen].toSorted()).toEqual(types.toSorted())
  })

  const opened = (): Planted => JSON.parse(JSON.stringify(good)) as Planted
  test.each<[string, (event: Planted) => void]>([
    ['of another type', (event) => (event['type'] = `${prefix}closed.v1`)],
    ['of another version of CloudEvents', (event) => (event['specversion'] = '0.3')],
    ['without an id', (event) => delete event['id']],
    ['without its data', (event) => delete (event as Partial<Planted>).data],
    ['with a time that is none', (event) => (event['time'] = 'yesterday')],
    ['from nowhere', (event) => (event['source'] = 'alerts-7f')],
    ['to a mode that there is not', (event) => (event.data['to'] = 'ajar')],
    ['with a negative term', (event) => (event.data['term'] = -1)],
    ['without its quorum', (event) => delete event.data['quorum']],
    ['with a wait that is a text', (event) => (event.data['retryAfterMs'] = '1000')],
    ['without the end of its window', (event) => (event.data['validUntil'] = null)],
    ['without the state that it leads to', (event) => delete event.data['after']],
    ['with a vote that nobody gave', (event) => (event.data['after'] = { ...after, votes: [{ at: 1 }] })],
  ])('does not hold for one %s', (_what, plant) => {
    const [open, event] = [schemasOf(document)('#/components/schemas/openedEvent'), opened()]
    expect(open(event)).toBe(true)
    plant(event)
    expect(open(event)).toBe(false)
  })

  test('as the document has it leaves room for fields of later versions, as readers must', () => {
    const event = { ...opened(), extra: 1 }
    expect(schemasOf(document)('#/components/schemas/openedEvent')(event)).toBe(true)
    expect(eventSchema('opened')(event)).toBe(false)
  })
})

type Planted = Record<string, unknown> & { data: Record<string, unknown> }

const before = { mode: 'closed', term: 7, failedRecoveries: 0, passes: 0, attempts: 0, votes: [] }
const after = { ...before, mode: 'open', term: 8, retryAfterMs: 61_240 }
const good = {
  specversion: '1.0',
  id: '01JDFV2Q5XJ8Z1W1T0B6N5M3KC',
  source: '/switchgear/alerts/alerts-7f',
  subject: 'smtp',
  type: `${prefix}opened.v1`,
  time: '2026-11-24T10:00:00.000Z',
  datacontenttype: 'application/json',
  data: {
    from: 'closed',
    to: 'open',
    term: 8,
    by: 'alerts-7f',
    reason: 'failureThreshold',
    counts: { calls: 20, failures: 5, slow: 0, consecutiveFailures: 5 },
    notBefore: null,
    validUntil: '2026-11-24T10:00:10.000Z',
    quorum: 1,
    retryAfterMs: 61_240,
    before,
    after,
  },
}

/** What stands at `#/a/b`; `undefined` for nothing. */
function at(value: unknown, reference: string): unknown {
  const inside = (of: unknown, key: string): unknown =>
    typeof of === 'object' && of !== null ? Reflect.get(of, key) : undefined
  return reference.split('/').slice(1).reduce(inside, value)
}
