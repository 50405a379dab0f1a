import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RegisterOptions } from 'fastify'
import { limitRequests } from './limit-requests.ts'
import type { RateLimitOptions } from './rate-limit-options.ts'
import { whenAnswered } from './when-answered.ts'

export type FastifyRateLimitOptions = RateLimitOptions<FastifyRequest, FastifyReply>

/**
 * Limits the routes of the context in which it is registered, and of those within: on the root, all that come after it.
 * Contexts within may register it again with other limits; a request is asked for each, and the header fields have them
 * all. It asks in `onRequest`, before the body is read; register what tells who asks before it. Registering rejects with
 * `ConfigError` for an option that cannot be meant.
 */
export const fastifyRateLimit: FastifyPluginAsync<FastifyRateLimitOptions> = Object.assign(register, {
  // Without a context of its own, it limits the one that it is registered in.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'switchgear-rate-limit',
  [Symbol.for('plugin-meta')]: { fastify: '5.x', name: 'switchgear-rate-limit' },
})

async function register(app: FastifyInstance, given: FastifyRateLimitOptions): Promise<void> {
  const limits = limitRequests(withoutFrameworks(given))
  app.addHook('onRequest', async (request, reply) => {
    const asked = await limits.ask(request)
    if (asked === undefined) return undefined
    reply.headers(asked.headers())
    if (asked.refunds) whenAnswered(reply.raw, () => void asked.settle(reply, request.log))
    const { refusal } = asked
    return refusal === undefined ? undefined : reply.code(refusal.status).headers(refusal.headers).send(refusal.body)
  })
}

/** Beside a plugin's own options may stand what `register` itself takes. */
function withoutFrameworks(given: FastifyRateLimitOptions): FastifyRateLimitOptions {
  const own = Object.entries(given).filter(([name]) => !ofRegister.has(name))
  return Object.fromEntries(own) as FastifyRateLimitOptions
}

const ofRegister: ReadonlySet<string> = new Set<keyof RegisterOptions>(['prefix', 'logLevel', 'logSerializers'])
