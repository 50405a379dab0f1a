import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Part, Seen } from './fresh-worker.ts'
import type { SubjectName } from './subjects.ts'

export interface FreshProcess {
  play(part: Omit<Part, 'id'>): Promise<Seen>
  /** What it wrote to standard error. */
  readonly stderr: string
  end(): Promise<void>
}

/** A process with a cache over `url`; the source of truth is at `truthUrl`. */
export async function startFreshProcess(subject: SubjectName, url: string, truthUrl: string): Promise<FreshProcess> {
  const program = fileURLToPath(new URL('fresh-worker.ts', import.meta.url))
  const child: ChildProcess = fork(program, [subject, url, truthUrl], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let [stderr, parts] = ['', 0]
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()))
  const waiting = new Map<number, (seen: Seen | { readonly id: number; readonly error: string }) => void>()
  child.on('message', (seen: Seen) => {
    waiting.get(seen.id)?.(seen)
    waiting.delete(seen.id)
  })
  child.on('close', () => {
    for (const [id, end] of waiting) end({ id, error: `it ended: ${stderr}` })
  })
  await Promise.race([once(child, 'message'), once(child, 'close')])
  return {
    get stderr() {
      return stderr
    },
    async play(part) {
      const id = (parts += 1)
      const seen = await new Promise<Seen | { readonly id: number; readonly error: string }>((resolve) => {
        waiting.set(id, resolve)
        child.send({ ...part, id }, (error) => {
          if (error !== null) resolve({ id, error: String(error) })
        })
      })
      if ('error' in seen) throw new Error(`${subject}: ${seen.error}`)
      return seen
    },
    async end() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    },
  }
}
