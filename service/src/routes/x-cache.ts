import type { FastifyReply } from 'fastify'
import type { Answer } from '../cache/dashboards.ts'

/** Says in `X-Cache` whether the cache had it, and gives the value. */
export function fromCache<T>(reply: FastifyReply, { value, read }: Answer<T>): T {
  const { found, isStale } = read
  reply.header('x-cache', isStale ? 'stale' : found === 'miss' ? 'miss' : 'hit')
  return value
}
