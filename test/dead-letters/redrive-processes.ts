import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { RedriveEvent } from '../../src/index.ts'

export interface Sink {
  readonly url: string
  /** What came, in order: monotonic, in ms, and the idempotency key. */
  readonly seen: readonly { readonly at: number; readonly key: string }[]
  close(): Promise<void>
}

/** Takes everything after some milliseconds, except what is poison. */
export async function startSink(isPoison: (key: string) => boolean): Promise<Sink> {
  const seen: { at: number; key: string }[] = []
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key'])
    seen.push({ at: performance.now(), key })
    request.resume()
    request.on('end', () => {
      setTimeout(() => response.writeHead(isPoison(key) ? 410 : 204).end(), 5 + Math.random() * 15)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    seen,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface WorkerProcess {
  readonly events: readonly RedriveEvent[]
  readonly stderr: string
  /** With its exit code; `null` when it was killed. */
  readonly ended: Promise<number | null>
  /** `kill -9` */
  kill(): void
}

export function startWorker(redis: string, jobId: string, sink: string, concurrency: number): WorkerProcess {
  const program = fileURLToPath(new URL('redrive-worker.ts', import.meta.url))
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', program, redis, jobId, sink, String(concurrency)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const events: RedriveEvent[] = []
  let stderr = ''
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line) as RedriveEvent))
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()))
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const ended = once(child, 'close').then(() => {
    process.off('exit', onExit)
    return child.exitCode
  })
  return {
    events,
    ended,
    get stderr() {
      return stderr
    },
    kill: onExit,
  }
}
