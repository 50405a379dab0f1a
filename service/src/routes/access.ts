import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Token } from '../settings.ts'
import { Problem } from './problem.ts'

/** Who asks: one organization, or the operator, who sees all. */
export type Caller = { readonly kind: 'operator' } | { readonly kind: 'organization'; readonly name: string }

export const operator: Caller = Object.freeze({ kind: 'operator' })

/** Says who asks. @throws Problem 401 or 403 */
export type Access = (request: Pick<FastifyRequest, 'headers' | 'ip'>) => Caller

/**
 * With tokens: who shows one is its organization, or the operator. Without: everything is allowed, to this machine alone.
 */
export function accessBy(tokens: readonly Token[]): Access {
  if (tokens.length === 0) return fromLoopback
  const known = tokens.map(({ organization, secret }) => ({ caller: callerOf(organization), digest: digest(secret) }))
  return ({ headers }) => {
    const shown = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
    if (shown === undefined) throw new Problem(401, 'expected Authorization: Bearer and a token')
    const given = digest(shown)
    // Every token is compared, each in constant time: the answer takes as long whichever it is.
    let found: Caller | undefined
    for (const { caller, digest: expected } of known) if (timingSafeEqual(expected, given)) found = caller
    if (found === undefined) throw new Problem(401, 'the token is not known')
    return found
  }
}

/** @throws Problem 403 when the caller is another organization. */
export function allow(caller: Caller, organization: string): void {
  if (caller.kind === 'operator' || caller.name === organization) return
  throw new Problem(403, `the token is not one of organization "${organization}"`, { kind: 'foreign-organization' })
}

/** @throws Problem 403 when the caller is an organization. `does` completes "only an operator …". */
export function operatorOnly(caller: Caller, does: string): void {
  if (caller.kind === 'operator') return
  throw new Problem(403, `only an operator ${does}`, { kind: 'operator-only' })
}

/**
 * The organization that a question is about: the one asked for, else the caller's own; none for an operator who asks for
 * all. @throws Problem 403
 */
export function scopeOf(caller: Caller, asked: string | undefined): string | undefined {
  if (asked !== undefined) allow(caller, asked)
  return asked ?? (caller.kind === 'organization' ? caller.name : undefined)
}

function callerOf(organization: string): Caller {
  return organization === '*' ? operator : { kind: 'organization', name: organization }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function fromLoopback({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): Caller {
  // A proxy on this machine, or a page whose name was made to resolve to it, has another name in `Host`.
  if (isLoopback(ip) && isLocalName(headers.host)) return operator
  throw new Problem(403, 'without SWITCHGEAR_TOKENS only this machine may ask', { kind: 'loopback-only' })
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || /^(?:::ffff:)?127\./.test(ip)
}

function isLocalName(host: string | undefined): boolean {
  return host === undefined || /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)
}
