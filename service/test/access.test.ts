import { describe, expect, it } from 'vitest'
import { accessBy, allow, type Caller, operator, operatorOnly, scopeOf } from '../src/routes/access.ts'

const acme: Caller = { kind: 'organization', name: 'acme' }

describe('without tokens', () => {
  const access = accessBy([])
  it.each([
    ['127.0.0.1', 'localhost:3000'],
    ['::1', '[::1]:3000'],
    ['::ffff:127.0.0.1', '127.0.0.1:3000'],
    ['127.8.9.10', 'LOCALHOST'],
    ['127.0.0.1', undefined],
  ])('%s that asks for %s may do all', (ip, host) => {
    expect(access({ ip, headers: { host } })).toEqual(operator)
  })

  it.each([
    ['192.0.2.1', 'localhost:3000'],
    ['10.127.0.1', '127.0.0.1:3000'],
    ['::ffff:192.0.2.1', 'localhost'],
    ['::127.0.0.1', 'localhost'],
    ['127.0.0.1', 'alerts.example'],
    ['127.0.0.1', 'localhost.example'],
    ['127.0.0.1', '127.0.0.1.example:3000'],
    ['127.0.0.1', 'not-localhost'],
    ['127.0.0.1', ''],
  ])('%s that asks for "%s" is refused', (ip, host) => {
    expect(() => access({ ip, headers: { host } })).toThrow(expect.objectContaining({ status: 403 }))
  })
})

describe('with tokens', () => {
  const access = accessBy([
    { organization: 'acme', secret: 'first-token' },
    { organization: '*', secret: 'operator-token' },
    { organization: 'acme', secret: 'second-token' },
  ])
  const shown = (authorization?: string): Caller => access({ ip: '127.0.0.1', headers: { authorization } })

  it.each(['Bearer first-token', 'bearer   second-token '])('"%s" is its organization', (authorization) => {
    expect(shown(authorization)).toEqual(acme)
  })

  it('the operator shows one, too', () => {
    expect(shown('Bearer operator-token')).toEqual(operator)
  })

  it.each([undefined, '', 'Bearer', 'Bearer first', 'Bearer first-token2', 'Bearer first-token operator-token'])(
    '%s is nobody, also on this machine',
    (authorization) => {
      expect(() => shown(authorization)).toThrow(expect.objectContaining({ status: 401 }))
    },
  )

  it('another scheme than Bearer is none', () => {
    expect(() => shown('Basic first-token')).toThrow(expect.objectContaining({ status: 401 }))
    expect(() => shown('first-token')).toThrow(expect.objectContaining({ status: 401 }))
  })
})

describe('an organization', () => {
  const refused = /not one of organization/

  it('sees its own, asked for or not, and nothing of others', () => {
    expect(scopeOf(acme, undefined)).toBe('acme')
    expect(scopeOf(acme, 'acme')).toBe('acme')
    expect(() => scopeOf(acme, 'globex')).toThrow(refused)
    expect(() => allow(acme, '*')).toThrow(refused)
  })

  it('does not what is for operators, who see all, or what they ask for', () => {
    expect(() => operatorOnly(acme, 'gives orders')).toThrow('only an operator gives orders')
    operatorOnly(operator, 'gives orders')
    expect(scopeOf(operator, undefined)).toBeUndefined()
    expect(scopeOf(operator, 'globex')).toBe('globex')
  })
})
