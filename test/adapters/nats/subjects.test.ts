import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDelivery } from '../../../src/adapters/nats/stored-message.ts'
import { decodeToken, encodeToken, fleetSubjects } from '../../../src/adapters/nats/subjects.ts'

const names = fc.string({ unit: 'binary', maxLength: 40 })
const subject = /^[^\s.*>]+(\.[^\s.*>]+)*$/
/** A failure prints the seed; the number of cases is that of every law. */
const cases = { numRuns: 1_000 }

describe('the token of a name', () => {
  test.each([
    ['smtp', 'smtp'],
    ['A-z_09', 'A-z_09'],
    ['email:smtp.example.com', 'email=3Asmtp=2Eexample=2Ecom'],
    ['a=b', 'a=3Db'],
    ['*', '=2A'],
    ['>', '=3E'],
    [' ', '=20'],
    ['', '='],
    ['Grüße', 'Gr=C3=BC=C3=9Fe'],
    ['🚀', '=F0=9F=9A=80'],
    ['%41', '=2541'],
  ])('%j is %s, and back', (name, token) => {
    expect(encodeToken(name)).toBe(token)
    expect(decodeToken(token)).toBe(name)
  })

  test('leads back to the name, and is one token, whatever the name', () => {
    fc.assert(
      fc.property(names, (name) => {
        const token = encodeToken(name)
        expect(token).toMatch(/^(=|([A-Za-z0-9_-]|=[0-9A-F]{2})+)$/)
        expect(decodeToken(token)).toBe(name)
      }),
      cases,
    )
  })

  test('is another one for another name', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        expect(encodeToken(one) === encodeToken(other)).toBe(one === other)
      }),
      cases,
    )
  })

  test.each(['a=3d', '=41', 'a=', 'a=4', '==', '=FF', '=C3', 'a.b', 'a b', '%41', 'ü', '=GG'])(
    '%j is the token of no name',
    (token) => {
      expect(decodeToken(token)).toBeUndefined()
    },
  )
})

describe('the subjects of a fleet', () => {
  const { logOf, topicOf, auditOf, channel } = fleetSubjects('alerts')

  test('are those of the table in the documentation', () => {
    expect(fleetSubjects('alerts')).toMatchObject({
      stream: 'SWITCHGEAR_alerts',
      log: 'switchgear.v1.alerts.log.*',
      transitions: 'switchgear.v1.alerts.transitions.{{wildcard(1)}}',
      auditStream: 'SWITCHGEAR_AUDIT_alerts',
      audit: 'switchgear.v1.alerts.audit.*',
    })
    expect(logOf('a.b')).toBe('switchgear.v1.alerts.log.a=2Eb')
    expect(auditOf('a.b')).toBe('switchgear.v1.alerts.audit.a=2Eb')
    expect(channel('invalidate')).toBe('switchgear.v1.alerts.invalidate')
    expect(channel('evidence/a.b')).toBe('switchgear.v1.alerts.evidence.a=2Eb')
  })

  test('lead back to the breaker, and those of others to none', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(logOf(name)).toMatch(subject)
        expect(logOf(name).split('.')).toHaveLength(5)
        expect(topicOf(logOf(name))).toBe(name)
        expect(topicOf(auditOf(name))).toBeUndefined()
        expect(topicOf(fleetSubjects('alerts2').logOf(name))).toBeUndefined()
      }),
      cases,
    )
  })

  test('of a channel are one for each, and never among those that are stored', () => {
    fc.assert(
      fc.property(names, names, fc.constantFrom('log', 'audit', 'transitions', 'alerts'), (one, other, kind) => {
        expect(channel(one)).toMatch(subject)
        expect(channel(one) === channel(other)).toBe(one === other)
        expect(channel(`${kind}/${one}`)).not.toBe(`switchgear.v1.alerts.${kind}.${encodeToken(one)}`)
        expect(topicOf(channel(`${kind}/${one}`))).toBeUndefined()
      }),
      cases,
    )
  })
})

describe('what the server says of a delivery', () => {
  const expected = { tries: 2, seq: 12, delivered: 3, at: 1_795_546_050_361, pending: 7 }

  test('is read from its reply subject', () => {
    expect(readDelivery('$JS.ACK.SWITCHGEAR_a.c1.2.12.3.1795546050361999999.7')).toEqual(expected)
  })

  test('is read with a domain and an account, which newer servers put in', () => {
    expect(readDelivery('$JS.ACK._.hash.SWITCHGEAR_a.c1.2.12.3.1795546050361999999.7')).toEqual(expected)
    expect(readDelivery('$JS.ACK.hub.hash.SWITCHGEAR_a.c1.2.12.3.1795546050361999999.7.random')).toEqual(expected)
  })

  test.each([undefined, '', '_INBOX.a.b', '$JS.ACK.too.short'])('is not there for %j', (reply) => {
    expect(readDelivery(reply)).toBeUndefined()
  })
})
