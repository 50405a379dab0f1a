import * as fc from 'fast-check'
import { parseRateLimit } from 'ratelimit-header-parser'
import { parseList } from 'structured-headers'
import type { Decision } from 'switchgear'
import { rateLimitHeaders } from 'switchgear/http'
import { expect, test } from 'vitest'
import { makeDecision } from '../../../src/ports/decision.ts'

const email = { name: 'email', limit: 50, remaining: 0, resetMs: 211_001, windowMs: 3_600_000, exceeded: true }
const alerts = { name: 'alerts', limit: 100, remaining: 7, resetMs: 60_000, windowMs: 60_000, exceeded: false }
const refused = makeDecision({ allowed: false, degraded: false, retryAfterMs: 211_001, limits: [alerts, email] })

test('a refusal by one of two limits says when to come back, and where both stand', () => {
  expect(rateLimitHeaders(refused)).toEqual({
    'X-RateLimit-Limit': '50',
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': '212',
    'RateLimit-Policy': '"alerts";q=100;w=60, "email";q=50;w=3600',
    RateLimit: '"alerts";r=7;t=60, "email";r=0;t=212',
    'Retry-After': '212',
  })
})

test('several decisions are one answer, in which a limit that was asked twice stands once, as it stood last', () => {
  const before = makeDecision({ ...refused, allowed: true, retryAfterMs: 0, limits: [{ ...email, remaining: 3 }] })
  expect(rateLimitHeaders([before, refused])).toMatchObject({
    RateLimit: '"email";r=0;t=212, "alerts";r=7;t=60',
    'X-RateLimit-Limit': '50',
    'Retry-After': '212',
  })
})

test('when the store could not be asked, what the limits are is said, and not what is left', () => {
  const degraded = makeDecision({ ...refused, degraded: true, retryAfterMs: 1_000 })
  expect(rateLimitHeaders(degraded)).toEqual({
    'X-RateLimit-Limit': '50',
    'RateLimit-Policy': '"alerts";q=100;w=60, "email";q=50;w=3600',
    'Retry-After': '1',
  })
  expect(rateLimitHeaders([refused, degraded])).not.toHaveProperty('RateLimit')
})

test('independent parsers read back every decision, whatever its limits are called', () => {
  const whole = (max: number) => fc.integer({ min: 0, max })
  const limit = fc.record({
    name: fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }).filter((name) => name.isWellFormed()),
    limit: whole(1e9),
    remaining: whole(1e9),
    resetMs: whole(1e9),
    windowMs: whole(2_678_400_000),
    exceeded: fc.boolean(),
  })
  const decision = fc
    .record({
      limits: fc.uniqueArray(limit, { minLength: 1, maxLength: 4, selector: ({ name }) => name }),
      retryAfterMs: fc.oneof(whole(1e9), fc.constant(Infinity)),
      allowed: fc.boolean(),
    })
    .map((facts) => makeDecision({ ...facts, degraded: false, retryAfterMs: facts.allowed ? 0 : facts.retryAfterMs }))
  fc.assert(
    fc.property(decision, (decision) => {
      const { RateLimit, 'RateLimit-Policy': policy, ...old } = rateLimitHeaders(decision)
      const standing = readItems(RateLimit)
      expect(standing.map(({ r }) => r)).toEqual(decision.limits.map(({ remaining }) => remaining))
      expect(readItems(policy).map(({ q }) => q)).toEqual(decision.limits.map(({ limit }) => limit))
      expect(parseRateLimit(new Headers(old))?.limit).toBe(tightestOf(decision))
      for (const value of Object.values({ RateLimit, policy, ...old })) expect(value).toMatch(/^[ -~]+$/)
    }),
  )
})

function readItems(field: string | undefined): Record<string, unknown>[] {
  return parseList(field ?? '').map(([, parameters]) => Object.fromEntries(parameters))
}

function tightestOf({ limits }: Decision): number | undefined {
  const refusing = limits.some(({ exceeded }) => exceeded) ? limits.filter(({ exceeded }) => exceeded) : limits
  const least = Math.min(...refusing.map(({ remaining }) => remaining))
  const last = refusing.filter(({ remaining }) => remaining === least).toSorted((a, b) => b.resetMs - a.resetMs)
  return last[0]?.limit
}
