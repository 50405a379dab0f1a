import { Readable } from 'node:stream'
import { vi } from 'vitest'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Ended } from './command.ts'

let last: Promise<unknown> = Promise.resolve()

/**
 * Runs what is typed after `switchgear` in this process, for a tenth of what a process costs: for what a command says and
 * does. What a process adds (its signals, its end while a server is frozen, pipes that fill up) is for `runCommand`.
 * One at a time, since it has the streams and the environment of this process for as long as it runs.
 */
export function runCommandHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: string = '',
): Promise<Ended> {
  const ended = last.then(() => run(args, env, input))
  last = ended.catch(() => {})
  return ended
}

async function run(args: readonly string[], env: Readonly<Record<string, string>>, input: string): Promise<Ended> {
  const { env: ours } = process
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin') ?? {}
  const { PATH = '', HOME = '' } = ours
  const [stdout, stderr] = [heard(process.stdout), heard(process.stderr)]
  process.env = { PATH, HOME, ...env }
  Object.defineProperty(process, 'stdin', {
    ...stdin,
    get: () => Readable.from(input === '' ? [] : [Buffer.from(input)]),
  })
  try {
    const code = await runCommandLine(args)
    return { code, stdout: stdout.all().replace(/\n$/, ''), stderr: stderr.all() }
  } finally {
    Object.defineProperty(process, 'stdin', stdin)
    process.env = ours
    stdout.restore()
    stderr.restore()
  }
}

/** What is written to this stream from now on comes here, and nowhere else. */
function heard(stream: NodeJS.WriteStream): { all(): string; restore(): void } {
  const chunks: Buffer[] = []
  const write = vi.spyOn(stream, 'write').mockImplementation((chunk) => chunks.push(Buffer.from(chunk)) > 0)
  return { all: () => Buffer.concat(chunks).toString(), restore: () => write.mockRestore() }
}
