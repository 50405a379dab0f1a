import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, type ServerName, servers } from './install.ts'

/** A server that a test uses. */
export interface Server {
  readonly url: string
  /** `undefined` for a server that was already running, named by its variable. */
  readonly pid: number | undefined
  /** Ends it in order and removes its folder. Resolves when the process is gone; again is nothing. */
  stop(): Promise<void>
  /** `kill -9`. @throws Error for a server that we did not start: what needs killing cannot be tested with it. */
  kill(): Promise<void>
}

/** A server process of ours, before anybody has asked whether it answers. */
export interface ServerProcess extends Omit<Server, 'url'> {
  readonly pid: number
  readonly folder: string
  /** What it has said so far, for messages of failure. */
  output(): string
  readonly exited: boolean
}

/** The server that the variable of `name` names, if it does. */
export function runningServer(name: ServerName): Server | undefined {
  const url = process.env[servers[name]]
  if (url === undefined) return undefined
  const kill = async (): Promise<void> => {
    throw new Error(`${servers[name]} names a server that these tests did not start, and so may not kill`)
  }
  return { url, pid: undefined, stop: async () => {}, kill }
}

/**
 * Starts a server in a temporary folder of its own. It ends with this process, however that ends: by the exit hook, or
 * on Linux by the kernel.
 */
export function spawnServer(name: ServerName, argsFor: (folder: string) => readonly string[]): ServerProcess {
  const folder = mkdtempSync(join(tmpdir(), `switchgear-${name}-`))
  const child = spawnBound(name, argsFor(folder), folder)
  const output: string[] = []
  child.stdout?.on('data', (data: Buffer) => output.push(data.toString()))
  child.stderr?.on('data', (data: Buffer) => output.push(data.toString()))
  const ended = once(child, 'close')
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    const patience = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(patience)
    process.removeListener('exit', onExit)
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    pid: child.pid ?? Number.NaN,
    folder,
    output: () => output.join(''),
    get exited() {
      return child.exitCode !== null || child.signalCode !== null
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

function spawnBound(name: ServerName, args: readonly string[], folder: string): ChildProcess {
  const program = findProgram(name)
  if (program === undefined) throw new Error(`${name} is gone since the run began`)
  const options = { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] } satisfies Parameters<typeof spawn>[2]
  const setpriv = findProgram('setpriv')
  if (setpriv === undefined) return spawn(program, args, options)
  return spawn(setpriv, ['--pdeathsig', 'KILL', program, ...args], options)
}
