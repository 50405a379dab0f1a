import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../../test/servers/install.ts'
import { until } from '../../../test/servers/until.ts'
import { prepareData } from '../store/prepare-data.ts'

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface LogLine {
  readonly time: number
  readonly level: string
  readonly msg: string
  readonly [fact: string]: unknown
}

/** The service, as a process of its own. */
export interface ServiceProcess {
  readonly url: string
  readonly pid: number
  /** What it has logged so far. */
  readonly logs: readonly LogLine[]
  /** What it has said to people, and what it has logged that is no JSON. */
  output(): string
  /** SIGTERM. Resolves with the exit code when it has ended by itself; `undefined` when a signal ended it. */
  terminate(): Promise<number | undefined>
  /** `kill -9`. Resolves when the process is gone. */
  kill(): Promise<void>
}

/**
 * Starts what `npm start` starts, with these settings, in this folder. It listens when this resolves, and it ends with
 * this process. A folder that is empty is made one in which a service was before.
 * @throws Error with what it said, when it ends instead.
 */
export async function startService(cwd: string, settings: Record<string, string>): Promise<ServiceProcess> {
  if (!existsSync(program)) throw new Error('service/dist is missing: run `npm run build` first, as `npm test` does')
  if (settings['DATABASE_URL'] === undefined) await prepareData(cwd)
  const child = spawnBound(cwd, ['serve'], settings)
  const { logs, text } = listen(child)
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const ended = once(child, 'exit').then(() => process.removeListener('exit', onExit))
  const address = await until(
    'the service to listen',
    () => (child.exitCode === null ? addressIn(logs) : `ended with ${child.exitCode}`),
    60_000,
  )
  if (!address.startsWith('http')) throw new Error(`the service ${address}: ${text.join('\n')}`)
  const end = async (signal: NodeJS.Signals): Promise<number | undefined> => {
    child.kill(signal)
    await ended
    return child.exitCode ?? undefined
  }
  return {
    url: address,
    pid: child.pid ?? Number.NaN,
    logs,
    output: () => text.join('\n'),
    terminate: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  }
}

/** Runs it where it is expected to end by itself, and gives how. */
export async function runService(
  cwd: string,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawnBound(cwd, args, settings)
  const { text } = listen(child)
  const patience = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await once(child, 'close')
  clearTimeout(patience)
  return { code: child.exitCode, output: text.join('\n') }
}

/** PGlite is not compiled for speed: that takes a second of CPU, which a process that lives for seconds never gets back. */
const cheaply = ['--liftoff-only']

/** On Linux the kernel ends it with this process, also when that is killed because a test took too long. */
function spawnBound(cwd: string, args: readonly string[], settings: Record<string, string>): ChildProcess {
  const command = [process.execPath, ...cheaply, program, ...args]
  const setpriv = findProgram('setpriv')
  const [first = process.execPath, ...rest] =
    setpriv === undefined ? command : [setpriv, '--pdeathsig', 'KILL', ...command]
  return spawn(first, rest, {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', PORT: '0', DATA_DIR: cwd, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function listen({ stdout, stderr }: ChildProcess): { logs: LogLine[]; text: string[] } {
  const logs: LogLine[] = []
  const text: string[] = []
  const take = (line: string): void => {
    if (line.startsWith('{')) logs.push(JSON.parse(line) as LogLine)
    else text.push(line)
  }
  for (const stream of [stdout, stderr]) if (stream !== null) createInterface(stream).on('line', take)
  return { logs, text }
}

function addressIn(logs: readonly LogLine[]): string | undefined {
  const line = logs.find(({ msg }) => msg === 'listening')
  return typeof line?.['address'] === 'string' ? line['address'] : undefined
}
