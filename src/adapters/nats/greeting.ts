import { connect } from 'node:net'
import { systemClock } from '../../ports/clock.ts'

const defaultPort = 4222

/** Whether a server says anything to somebody who connects, within the deadline. A NATS server speaks first. */
export function greets(server: string, deadlineMs: number): Promise<boolean> {
  const { hostname, port } = addressOf(server)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port })
    const timer = systemClock.setTimeout(() => end(false), deadlineMs)
    socket.once('data', () => end(true))
    socket.once('close', () => end(false))
    socket.on('error', () => end(false))
    function end(answer: boolean): void {
      systemClock.clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
  })
}

/** `nats://host:port`, `tls://host`, `host:port`, `[::1]:4222`: as the client takes them. */
function addressOf(server: string): { readonly hostname: string; readonly port: number } {
  const url = new URL(server.includes('://') ? server : `nats://${server}`)
  return { hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || defaultPort) }
}
