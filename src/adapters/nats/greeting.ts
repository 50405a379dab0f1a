import { connect } from 'node:net'
import { systemClock } from '../../ports/clock.ts'
import type { ServerAddress } from './servers.ts'

/** Whether a server says anything to somebody who connects, within the deadline. A NATS server speaks first. */
export function greets({ hostname, port }: ServerAddress, deadlineMs: number): Promise<boolean> {
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
