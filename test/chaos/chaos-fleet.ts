import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { natsLog } from '../../src/nats.ts'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { silentLogger } from '../../src/ports/logger.ts'
import { type Dependency, startDependency } from '../fleet/dependency.ts'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { type RedisNode, startRedisNode } from '../servers/redis-node.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { until } from '../servers/until.ts'
import type { Seen, Standing } from './chaos-records.ts'

/** One instance, in a process and behind wires of its own. */
export interface Unit {
  readonly name: string
  readonly nats: TcpProxy
  readonly redis: TcpProxy
  /** What it has seen, in all of its lives. */
  readonly seen: readonly Seen[]
  start(): void
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void
  /** Where it stands now. */
  standing(): Promise<Standing>
}

/** A fleet of processes over a NATS and a Redis that can fail, and somebody who keeps everything that the log says. */
export interface ChaosFleet {
  readonly fleet: string
  readonly units: readonly Unit[]
  readonly nats: NatsNode
  readonly redis: RedisNode
  readonly dependency: Dependency
  readonly stored: readonly StoredMessage[]
  end(): Promise<void>
}

export async function startChaosFleet(instances: number): Promise<ChaosFleet> {
  const fleet = 'chaos'
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-chaos-'))
  const [nats, redis, dependency] = await Promise.all([
    startNatsNode(),
    // What it has answered is on disk, also after a `kill -9`.
    startRedisNode(['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always']),
    startDependency(),
  ])
  const stored = new Map<number, StoredMessage>()
  const observer = natsLog({ servers: nats.url }).join(
    { fleet, instance: 'observer', logger: silentLogger },
    { onLink: () => {}, onPreview: () => {}, onMessage: (message) => void stored.set(message.seq, message) },
  )
  const units: Unit[] = []
  for (let n = 0; n < instances; n++) {
    const wires = { nats: await startTcpProxy(nats.url), redis: await startTcpProxy(redis.url) }
    const living = { fleet, instance: `unit-${n}`, dependency: dependency.url, spill: join(folder, `spill-${n}`) }
    units.push(newUnit(wires, living))
  }
  for (const unit of units) unit.start()
  const end = async (): Promise<void> => {
    await Promise.all(units.map((unit) => unit.kill()))
    await observer.leave()
    await Promise.all(units.flatMap((unit) => [unit.nats.stop(), unit.redis.stop()]))
    await Promise.all([nats.remove(), redis.remove(), dependency.end()])
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    ...{ fleet, units, nats, redis, dependency, end },
    get stored() {
      return [...stored.values()].toSorted((a, b) => a.seq - b.seq)
    },
  }
}

function newUnit(
  wires: { readonly nats: TcpProxy; readonly redis: TcpProxy },
  living: { readonly instance: string } & Record<string, string>,
): Unit {
  const seen: Seen[] = []
  let child: ChildProcess | undefined
  let life = 0
  const onExit = (): void => void child?.kill('SIGKILL')
  process.once('exit', onExit)
  return {
    name: living.instance,
    ...wires,
    seen,
    start() {
      const given = JSON.stringify({ ...living, life: (life += 1), nats: wires.nats.url, redis: wires.redis.url })
      child = fork(worker, [given], { cwd: root, execArgv: ['--import', 'tsx'], serialization: 'advanced' })
      child.on('message', (message: Seen) => void seen.push(message))
      child.on('error', () => {})
    },
    async kill() {
      process.removeListener('exit', onExit)
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    signal: (name) => void child?.kill(name),
    async standing() {
      const from = seen.length
      child?.send('where do you stand?')
      return until(`${living.instance} to say where it stands`, () =>
        seen.slice(from).find((one): one is Standing => one.what === 'standing'),
      )
    },
  }
}

const worker = fileURLToPath(new URL('chaos-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
