import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { converse } from './converse.ts'
import { runningServer, type Server, type ServerProcess, spawnServer } from './server-process.ts'
import { until } from './until.ts'

export interface NatsOptions {
  /** With streams, stored in the server's temporary folder. True by default. */
  readonly jetstream?: boolean
  /** More arguments, as nats-server takes them. None by default. */
  readonly args?: readonly string[]
  /** The server's name, unique on this machine; in a cluster it is who it is. That of its temporary folder by default. */
  readonly name?: string
}

/** A NATS server of our own on a port of its choice on 127.0.0.1; it answers when this resolves. */
export async function startNats({ jetstream = true, args = [], name }: NatsOptions = {}): Promise<Server> {
  const running = runningServer('nats-server')
  if (running !== undefined) return running
  const server = spawnServer('nats-server', (folder) => [
    ...argsFor(folder, jetstream, name ?? basename(folder)),
    ...args,
  ])
  try {
    const port = await until('nats-server to answer', () => portOf(server, name ?? basename(server.folder)))
    return { url: `nats://127.0.0.1:${port}`, pid: server.pid, stop: server.stop, kill: server.kill }
  } catch (error) {
    await server.kill()
    throw new Error(`nats-server did not start: ${server.output()}`, { cause: error })
  }
}

function argsFor(folder: string, jetstream: boolean, name: string): string[] {
  const store = jetstream ? ['--jetstream', '--store_dir', join(folder, 'store')] : []
  return ['--addr', '127.0.0.1', '--port', '-1', '--name', name, '--ports_file_dir', folder, ...store]
}

/** The server writes its ports to a file that has its process id in its name; the name in its greeting is the proof. */
async function portOf(server: ServerProcess, name: string): Promise<number | undefined> {
  const path = join(server.folder, `nats-server_${server.pid}.ports`)
  const port = /"(?:nats|tls):\/\/127\.0\.0\.1:(\d+)"/.exec(readFileSync(path, 'utf8'))?.[1]
  const greeting = await converse(Number(port), '', /"server_name":"([^"]*)"/)
  return greeting[1] === name ? Number(port) : undefined
}
