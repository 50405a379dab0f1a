import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that came, whole. */
export interface ReceivedRequest {
  readonly at: number
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Answer = (request: ReceivedRequest, response: ServerResponse) => void

export interface HttpEndpoint {
  readonly url: string
  readonly port: number
  readonly requests: readonly ReceivedRequest[]
  answer: Answer
  close(): Promise<void>
}

/** A real HTTP server on a port of its own; it answers 200 unless told otherwise. */
export async function startHttpEndpoint(
  answer: Answer = (_request, response) => response.end('ok'),
): Promise<HttpEndpoint> {
  const requests: ReceivedRequest[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const request = { at: Date.now(), path: incoming.url ?? '', headers: incoming.headers, body }
      requests.push(request)
      endpoint.answer(request, response)
    })
    incoming.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const endpoint: HttpEndpoint = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    answer,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return endpoint
}

/** A port on which nobody listens: it was free a moment ago. */
export async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
