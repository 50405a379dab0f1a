import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { converse } from './converse.ts'
import { runningServer, type Server, type ServerProcess, spawnServer } from './server-process.ts'
import { until } from './until.ts'

export interface RedisOptions {
  /** More arguments, as redis-server takes them: `['--appendonly', 'yes']`. None by default. */
  readonly args?: readonly string[]
  /** A port that it had before; one that is free by default. */
  readonly port?: number
}

/** A Redis of our own on 127.0.0.1 that keeps nothing on disk; it answers when this resolves. */
export async function startRedis({ args = [], port: own }: RedisOptions = {}): Promise<Server> {
  const running = runningServer('redis-server')
  if (running !== undefined) return running
  // Redis cannot choose a port by itself, and a free one may be taken before it starts: then another one.
  let said = ''
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const port = own ?? (await freePort())
    const server = spawnServer('redis-server', (folder) => [...argsFor(port, folder), ...args])
    const answer = await until('redis-server to answer', () => whoAnswers(server, port)).catch(() => 'nobody' as const)
    if (answer === 'ours')
      return { url: `redis://127.0.0.1:${port}`, pid: server.pid, stop: server.stop, kill: server.kill }
    said = server.output()
    await server.kill()
  }
  throw new Error(`redis-server did not start in 3 attempts: ${said}`)
}

function argsFor(port: number, folder: string): string[] {
  return [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
    '--daemonize',
    'no',
  ]
}

async function whoAnswers(server: ServerProcess, port: number): Promise<'ours' | 'another' | undefined> {
  if (server.exited) return 'another'
  const info = await converse(port, 'INFO server\r\n', /process_id:(\d+)/)
  return Number(info[1]) === server.pid ? 'ours' : 'another'
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
