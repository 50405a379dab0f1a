import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Access, Caller } from './access.ts'

const decorator = 'caller'

/** Asks who is there before anything of the body is read. */
export function guardRoutes(app: FastifyInstance, access: Access): void {
  app.decorateRequest(decorator, null)
  app.addHook('onRequest', (request, _reply, done) => {
    request.setDecorator<Caller | null>(decorator, access(request))
    done()
  })
}

/** Who asks, on a guarded route. */
export function callerOf(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>(decorator)
}
