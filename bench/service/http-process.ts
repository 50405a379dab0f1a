import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Pool } from 'undici'
import type { Contender } from '../harness.ts'

/** A server in a process of its own, whose CPU can be told. */
export interface HttpProcess {
  /** Posts this body to `/v1/alerts`, in rounds of 512; costs what the server's process spent on it, in ms of CPU. */
  posting(body: string): Contender
  end(): Promise<void>
}

/** Requests under way. */
const underWay = 64
/** Requests in a round: many times those under way, or a measurement would mostly be of its beginning and its end. */
const requestsInRound = 512

/** Says on request how much CPU its process has used; loaded before the program that is measured. */
const meter = `data:text/javascript,${encodeURIComponent('process.on("message", () => process.send(process.cpuUsage()))')}`

/** Runs `node` with these arguments until it logs that it listens. */
export async function startHttpProcess(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<HttpProcess> {
  const child = spawn(process.execPath, ['--import', meter, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const pool = new Pool(await addressOf(child), { connections: underWay })

  async function cpuMs(): Promise<number> {
    const answer = once(child, 'message') as Promise<[NodeJS.CpuUsage]>
    child.send('how much?')
    const [{ user, system }] = await answer
    return (user + system) / 1_000
  }

  async function post(body: string): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await pool.request({ method: 'POST', path: '/v1/alerts', headers, body })
    const text = await response.body.text()
    if (response.statusCode !== 202) throw new Error(`answered ${response.statusCode}: ${text}`)
  }

  return {
    posting: (body) => async (rounds) => {
      const before = await cpuMs()
      let left = rounds * requestsInRound
      const sender = async (): Promise<void> => {
        while (left > 0) {
          left -= 1
          await post(body)
        }
      }
      await Promise.all(Array.from({ length: underWay }, sender))
      return (await cpuMs()) - before
    },
    async end() {
      const ended = once(child, 'exit')
      await pool.destroy()
      child.kill('SIGKILL')
      await ended
      process.removeListener('exit', onExit)
    },
  }
}

/** What a server logs when it listens. Everything after it is read, too, so that it can go on logging. */
function addressOf({ stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (stderr === null) return reject(new Error('the server has nowhere to log'))
    const lines = createInterface(stderr)
    lines.on('line', (line) => {
      if (!line.startsWith('{')) return void process.stderr.write(`${line}\n`)
      const { msg, address } = JSON.parse(line) as { readonly msg: string; readonly address?: string }
      if (msg === 'listening' && address !== undefined) resolve(address)
    })
    lines.once('close', () => reject(new Error('the server ended before it listened')))
  })
}
