import { expect, test } from 'vitest'
import { makeDecision } from '../../src/ports/decision.ts'

const email = { name: 'email', limit: 50, remaining: 0, resetMs: 211_001, windowMs: 3_600_000, exceeded: true }
const alerts = { name: 'alerts', limit: 100, remaining: 0, resetMs: 60_000, windowMs: 60_000, exceeded: false }

test('a refusal says when to come back, and which limit refuses', () => {
  const decision = makeDecision({ allowed: false, degraded: false, retryAfterMs: 100_001, limits: [alerts, email] })
  expect(decision.headers()).toEqual({
    'X-RateLimit-Limit': '50',
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': '212',
    RateLimit: '"alerts";r=0;t=60, "email";r=0;t=101',
    'RateLimit-Policy': '"alerts";q=100;w=60, "email";q=50;w=3600',
    'Retry-After': '101',
  })
})

test('what is allowed, and what never will be, have no Retry-After', () => {
  const allowed = makeDecision({ allowed: true, degraded: false, retryAfterMs: 0, limits: [alerts] })
  const never = makeDecision({ allowed: false, degraded: false, retryAfterMs: Infinity, limits: [email] })
  expect(allowed.headers()).not.toHaveProperty('Retry-After')
  expect(never.headers()).not.toHaveProperty('Retry-After')
})

test('any name is a string of a structured field', () => {
  const limits = [{ ...email, name: 'a"b\\c 100% Grüße' }]
  const { RateLimit } = makeDecision({ allowed: true, degraded: false, retryAfterMs: 0, limits }).headers()
  expect(RateLimit).toBe(String.raw`"a\"b\\c 100%25 Gr%C3%BC%C3%9Fe";r=0;t=212`)
})

test('while the store could not be asked, nobody knows what is left, and nothing is said of it', () => {
  const limits = [alerts]
  const allowed = makeDecision({ allowed: true, degraded: true, retryAfterMs: 0, limits })
  expect(allowed.headers()).toEqual({ 'X-RateLimit-Limit': '100', 'RateLimit-Policy': '"alerts";q=100;w=60' })
  const refused = makeDecision({ allowed: false, degraded: true, retryAfterMs: 1_000, limits })
  expect(refused.headers()).toEqual({ ...allowed.headers(), 'Retry-After': '1' })
})
