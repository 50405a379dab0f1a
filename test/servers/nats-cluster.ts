import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { type NatsNode, startNatsNode } from './nats-node.ts'
import { until } from './until.ts'

/** Three NATS servers of our own that keep their streams together. */
export interface NatsCluster {
  readonly nodes: readonly NatsNode[]
  readonly urls: readonly string[]
  /** Of the servers, such as `2.9.10`. */
  readonly version: string
  /** The node that leads a stream now. */
  leaderOf(stream: string): Promise<NatsNode>
  remove(): Promise<void>
}

/** Resolves when the cluster takes streams with three copies. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const ports = await freePorts(3)
  const route = (port: number): string => `nats://127.0.0.1:${port}`
  const routes = ports.map(route).join(',')
  const args = (port: number) => ['--cluster_name', 'switchgear', '--cluster', route(port), '--routes', routes]
  const nodes = await Promise.all(ports.map((port) => startNatsNode({ args: args(port) })))
  const urls = nodes.map(({ url }) => url)
  const remove = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.remove())))
  const version = await until('the cluster to have a leader', () => onceItTakesThreeCopies(urls), 30_000).catch(
    async (error: unknown) => {
      await remove()
      throw error
    },
  )
  return {
    nodes,
    urls,
    version,
    leaderOf: (stream) => until(`a leader of ${stream}`, () => leaderAmong(nodes, stream)),
    remove,
  }
}

/** The version of the servers. @throws Error as long as they do not work together. */
async function onceItTakesThreeCopies(urls: readonly string[]): Promise<string | undefined> {
  const nc = await connect({ servers: [...urls], timeout: 1_000, reconnect: false })
  try {
    const jsm = await jetstreamManager(nc, { timeout: 2_000 })
    await jsm.streams.add({ name: 'PROBE', subjects: ['probe'], num_replicas: 3 })
    await jsm.streams.delete('PROBE')
    return nc.info?.version
  } finally {
    await nc.close()
  }
}

async function leaderAmong(nodes: readonly NatsNode[], stream: string): Promise<NatsNode | undefined> {
  const names = await Promise.all(nodes.map(nameOf))
  const nc = await connect({ servers: nodes.map(({ url }) => url), timeout: 1_000, reconnect: false })
  try {
    const jsm = await jetstreamManager(nc, { timeout: 1_000 })
    const { cluster } = await jsm.streams.info(stream)
    return nodes[names.indexOf(cluster?.leader)]
  } finally {
    await nc.close()
  }
}

async function nameOf({ url }: NatsNode): Promise<string | undefined> {
  try {
    const nc = await connect({ servers: url, timeout: 1_000, reconnect: false })
    const name = nc.info?.server_name
    await nc.close()
    return name
  } catch {
    return undefined
  }
}

/** Ports that are free now; the routes must be known before the first server starts. */
async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port)
  await Promise.all(
    probes.map(async (probe) => {
      probe.close()
      await once(probe, 'close')
    }),
  )
  return ports
}
