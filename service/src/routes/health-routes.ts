import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** How long the store may take to say that it is there, in ms. */
const pingMs = 2_000

const ok = z.object({ status: z.literal('ok') })

/** `GET /healthz`: the process lives. `GET /readyz`: it can take alerts in. Neither needs a token. */
export function healthRoutes(app: FastifyInstance, { store, isStopping }: ServerOptions): void {
  app.get('/healthz', { schema: { summary: 'Liveness', security: [], response: { 200: ok } } }, async () => ({
    status: 'ok' as const,
  }))
  app.get(
    '/readyz',
    { schema: { summary: 'Readiness', security: [], response: { 200: ok, 503: problemSchema } } },
    async () => {
      if (isStopping()) throw new Problem(503, 'the service is stopping', { retryAfterMs: 1_000 })
      await answered(store.ping())
      return { status: 'ok' as const }
    },
  )
}

async function answered(ping: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Problem(503, 'the store does not answer', { retryAfterMs: 1_000 })), pingMs)
  })
  try {
    await Promise.race([ping, late])
  } finally {
    clearTimeout(timer)
  }
}
