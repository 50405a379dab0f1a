import type { Server } from '../servers/server-process.ts'
import { startNats } from '../servers/start-nats.ts'
import { type Dependency, startDependency } from './dependency.ts'
import { type FleetOptions, type FleetProcesses, startFleet } from './fleet-processes.ts'

/** Fifty instances in four processes on one NATS server, and what they call. */
export interface CallingFleet {
  readonly server: Server
  readonly dependency: Dependency
  readonly fleet: FleetProcesses
  end(): Promise<void>
}

export async function startCallingFleet(name: string, breakers: FleetOptions['breakers']): Promise<CallingFleet> {
  const server = await startNats()
  const dependency = await startDependency()
  const joining = { servers: server.url, fleet: name, dependency: dependency.url, breakers }
  const fleet = await startFleet({ processes: 4, instances: 50, ...joining })
  return {
    server,
    dependency,
    fleet,
    async end() {
      await fleet.end()
      await dependency.end()
      await server.stop()
    },
  }
}
