import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem, problemBody, problemHeaders } from './problem.ts'
import { securityHeaders } from './security-headers.ts'

/** Answers what is no request that could be given to a route: with a problem document, as everything else is. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const problem = problemOfClient(error.code)
  const body = JSON.stringify(problemBody(problem))
  const length = Buffer.byteLength(body)
  const headers = { ...securityHeaders, ...problemHeaders(problem), 'content-length': length, connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`)
}

function problemOfClient(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(431, 'the headers are too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(408, 'the request took too long to arrive')
    default:
      return new Problem(400, 'this is not HTTP')
  }
}
