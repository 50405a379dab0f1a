import { connect } from 'node:net'

/**
 * Says one thing to a server over a plain socket and listens until the answer matches: who is there, asked without a
 * client.
 * @throws Error when the connection fails or ends before that, or after 1 s.
 */
export async function converse(port: number, say: string, expected: RegExp): Promise<RegExpExecArray> {
  const socket = connect({ port, host: '127.0.0.1', signal: AbortSignal.timeout(1_000) })
  try {
    socket.write(say)
    let heard = ''
    for await (const data of socket.setEncoding('utf8')) {
      heard += String(data)
      const match = expected.exec(heard)
      if (match !== null) return match
    }
    throw new Error(`the server on port ${port} hung up after saying: ${heard}`)
  } finally {
    socket.destroy()
  }
}
