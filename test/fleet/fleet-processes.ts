import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Commands, Joining, Reply, Request } from './fleet-worker.ts'

type Given<C extends keyof Commands> = Parameters<Commands[C]>
type Result<C extends keyof Commands> = Awaited<ReturnType<Commands[C]>>

/** A process with some instances of the fleet. */
export interface FleetProcess {
  readonly instances: readonly string[]
  ask<C extends keyof Commands>(command: C, ...given: Given<C>): Promise<Result<C>>
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>
}

/** Instances of one fleet in several processes, as a user would run them. */
export interface FleetProcesses {
  /** Those that live, in the order of their start. */
  readonly processes: readonly FleetProcess[]
  /** All names, in order; `instances[n]` lives in the process of number `n % processes`. */
  readonly instances: readonly string[]
  /** Asks every process that lives, at the same time; the answers in the order of the processes. */
  ask<C extends keyof Commands>(command: C, ...given: Given<C>): Promise<readonly Result<C>[]>
  /** The process of an instance. */
  of(instance: string): FleetProcess
  /** All instances leave, and join another fleet, in the same processes. */
  rejoin(joining: Omit<Joining, 'instances'>): Promise<void>
  /** Ends all processes. */
  end(): Promise<void>
}

export interface FleetOptions extends Omit<Joining, 'instances'> {
  readonly processes: number
  readonly instances: number
}

/** Resolves when every instance is linked. Processes end with this one, however that ends. */
export async function startFleet({
  processes: count,
  instances: total,
  ...joining
}: FleetOptions): Promise<FleetProcesses> {
  const instances = Array.from({ length: total }, (_, n) => `i-${String(n).padStart(3, '0')}`)
  const processes = Array.from({ length: count }, (_, p) => startProcess(instances.filter((_, n) => n % count === p)))
  const fleet: FleetProcesses = {
    get processes() {
      return processes.filter(({ alive }) => alive)
    },
    instances,
    ask: (command, ...given) => Promise.all(fleet.processes.map((process) => process.ask(command, ...given))),
    of(instance) {
      const process = fleet.processes.find((process) => process.instances.includes(instance))
      if (process === undefined) throw new Error(`the process of ${instance} is gone`)
      return process
    },
    async rejoin(other) {
      await fleet.ask('leave')
      await join(other)
    },
    end: async () => void (await Promise.all(processes.map(({ kill }) => kill()))),
  }
  try {
    await join(joining)
  } catch (error) {
    await fleet.end()
    throw error
  }
  return fleet

  async function join(to: Omit<Joining, 'instances'>): Promise<void> {
    await Promise.all(fleet.processes.map((process) => process.ask('join', { ...to, instances: process.instances })))
  }
}

function startProcess(instances: readonly string[]): FleetProcess & { readonly alive: boolean } {
  const child = fork(worker, [], { cwd: root, execArgv: ['--import', 'tsx'], serialization: 'advanced' })
  const ended = once(child, 'exit')
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const ask = asking(child)
  return {
    instances,
    ask,
    get alive() {
      return child.exitCode === null && child.signalCode === null
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
      process.removeListener('exit', onExit)
    },
  }
}

function asking(child: ChildProcess): FleetProcess['ask'] {
  const asked = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  let last = 0
  child.on('message', ({ id, result, failure }: Reply) => {
    const waiting = asked.get(id)
    asked.delete(id)
    if (failure === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(failure))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of asked.values()) reject(new Error(`the process has ended: ${code ?? signal}`))
  })
  return <C extends keyof Commands>(command: C, ...given: Given<C>) =>
    new Promise<Result<C>>((resolve, reject) => {
      const id = ++last
      asked.set(id, { resolve: (result) => resolve(result as Result<C>), reject })
      const request: Request = { id, command, given: given[0] }
      child.send(request, (error) => {
        if (error !== null) reject(error)
      })
    })
}

const worker = fileURLToPath(new URL('fleet-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
