import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { commonNow } from './common-clock.ts'

/** A call that reached the dependency. */
export interface Arrival {
  readonly breaker: string
  readonly instance: string
  /** By the clock that all processes share, in ms. */
  readonly atMs: number
}

/** What everybody calls. It counts what really arrives. */
export interface Dependency {
  readonly url: string
  /** All calls that have arrived, in order. */
  readonly arrivals: readonly Arrival[]
  /** How many calls are not answered yet. */
  readonly waiting: number
  /** From now on it works, fails, or keeps calls waiting until it does one of these. */
  behave(how: 'works' | 'fails' | 'hangs'): void
  end(): Promise<void>
}

export async function startDependency(): Promise<Dependency> {
  const arrivals: Arrival[] = []
  const waiting = new Set<ServerResponse>()
  let status: number | undefined = 200
  const server = createServer((request, response) => {
    const [, breaker = '', instance = ''] = (request.url ?? '').split('/')
    arrivals.push({ breaker, instance, atMs: commonNow() })
    if (status !== undefined) return response.writeHead(status).end()
    waiting.add(response)
    return response.once('close', () => waiting.delete(response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrivals,
    get waiting() {
      return waiting.size
    },
    behave(how) {
      status = { works: 200, fails: 500, hangs: undefined }[how]
      if (status === undefined) return
      for (const response of waiting) response.writeHead(status).end()
    },
    async end() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
