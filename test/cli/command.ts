import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from '../servers/until.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command `switchgear` as a process of its own. */
export interface Command {
  /** What it has written to the standard output so far, by lines. */
  readonly lines: readonly string[]
  /** Waits for a line that contains this, and gives it. */
  says(what: string): Promise<string>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<Ended>
}

type Environment = Readonly<Record<string, string>>

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/**
 * Starts what was built. Of this process's environment it gets what a program needs to run, and `env`; it reads `input`, or
 * nothing.
 */
export function startCommand(args: readonly string[], env: Environment = {}, input?: string): Command {
  if (!existsSync(program)) throw new Error('dist is missing: run `npm run build` first, as `npm test` does')
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // Who has read enough ends before all is written.
  child.stdin.on('error', () => {}).end(input)
  const lines: string[] = []
  const errors: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  child.stderr.on('data', (data: Buffer) => errors.push(data.toString()))
  running.add(child)
  const ended = endOf(child).then((code) => ({ code, stdout: lines.join('\n'), stderr: errors.join('') }))
  return {
    lines,
    says: (what) => until(`a line with ${what}`, () => lines.find((line) => line.includes(what)), 60_000),
    signal: (name) => void child.kill(name),
    ended,
  }
}

/** Runs it to its end. */
export function runCommand(args: readonly string[], env: Environment = {}, input?: string): Promise<Ended> {
  return startCommand(args, env, input).ended
}

async function endOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, 'close')) as [number | null]
  running.delete(child)
  return code
}
