import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Server } from './server-process.ts'
import { startNats } from './start-nats.ts'

export interface NatsNodeOptions {
  /** Text of a configuration file, for what has no argument: users, certificates. None by default. */
  readonly config?: string
  /** More arguments, as nats-server takes them. None by default. */
  readonly args?: readonly string[]
}

/** A NATS server of our own that can fail: it keeps its port, its name and its streams from one start to the next. */
export interface NatsNode {
  readonly url: string
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Starts it on another port, where only who is given its URL finds it. */
  startElsewhere(): Promise<string>
  /** Stops it in the middle of what it does: connections stay, and nothing is answered until `thaw`. */
  freeze(): void
  thaw(): void
  /** Keeps a copy of what is stored, while the server is not running. */
  copyStore(): void
  /** Puts the copy back, while the server is not running: what was stored since is gone. */
  restoreStore(): void
  /** Ends it, also when it is frozen or dead, and removes what it stored. */
  remove(): Promise<void>
}

export async function startNatsNode({ config, args: more = [] }: NatsNodeOptions = {}): Promise<NatsNode> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-nats-node-'))
  const [store, copy, settings] = [join(folder, 'store'), join(folder, 'copy'), join(folder, 'nats.conf')]
  if (config !== undefined) writeFileSync(settings, config)
  // A cluster knows its members by their names: under another one it would come back as one more.
  const name = basename(folder)
  const args = [...more, '--store_dir', store, ...(config === undefined ? [] : ['--config', settings])]
  let server: Server = await startNats({ name, args }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const { url, port } = { url: server.url, port: new URL(server.url).port }

  return {
    url,
    kill: () => server.kill(),
    async start() {
      server = await startNats({ name, args: [...args, '--port', port] })
    },
    async startElsewhere() {
      server = await startNats({ name, args })
      return server.url
    },
    freeze: () => signal(server, 'SIGSTOP'),
    thaw: () => signal(server, 'SIGCONT'),
    copyStore: () => cpSync(store, copy, { recursive: true }),
    restoreStore() {
      rmSync(store, { recursive: true })
      cpSync(copy, store, { recursive: true })
    },
    async remove() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function signal({ pid }: Server, name: NodeJS.Signals): void {
  if (pid === undefined) throw new Error('this server was not started by these tests, and is left alone')
  process.kill(pid, name)
}
