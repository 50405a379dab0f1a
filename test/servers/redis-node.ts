import type { Server } from './server-process.ts'
import { startRedis } from './start-redis.ts'

/** A Redis of our own that can fail: it keeps its port from one start to the next, and nothing else. */
export interface RedisNode {
  readonly url: string
  readonly port: number
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Stops it in the middle of what it does: connections stay, and nothing is answered until `thaw`. */
  freeze(): void
  thaw(): void
  /** Ends it, also when it is frozen or dead. */
  remove(): Promise<void>
}

/** `args`: more arguments, as redis-server takes them; `own`: a port, instead of one that is free. */
export async function startRedisNode(args: readonly string[] = [], own?: number): Promise<RedisNode> {
  let server: Server = await startRedis({ args, ...(own !== undefined && { port: own }) })
  const { url } = server
  const port = Number(new URL(url).port)
  const signal = (name: NodeJS.Signals): void => {
    if (server.pid === undefined) throw new Error('a server that these tests did not start cannot be frozen')
    process.kill(server.pid, name)
  }
  return {
    url,
    port,
    kill: () => server.kill(),
    async start() {
      server = await startRedis({ args, port })
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    remove: () => server.kill(),
  }
}
