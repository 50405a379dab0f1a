import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { type RedisNode, startRedisNode } from './redis-node.ts'
import { until } from './until.ts'

export interface RedisCluster {
  readonly urls: readonly string[]
  /** The master that holds the slot of a key. */
  masterOf(key: string): Promise<RedisNode>
  remove(): Promise<void>
}

const masters = 3
const slots = 16_384

/** Three masters and a replica of each, on 127.0.0.1; a master that is killed is replaced after about a second. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisNode[] = []
  const clients: Redis[] = []
  const remove = async (): Promise<void> => {
    for (const client of clients) client.disconnect()
    await Promise.all(nodes.map((node) => node.remove()))
  }
  try {
    for (let count = 0; count < 2 * masters; count += 1) {
      const node = await startRedisNode(['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'], await lowPort())
      nodes.push(node)
      clients.push(new Redis(node.url).on('error', () => {}))
    }
    await join(nodes, clients)
  } catch (error) {
    await remove()
    throw error
  }
  return {
    urls: nodes.map(({ url }) => url),
    async masterOf(key) {
      const slot = Number(await clients[0]?.cluster('KEYSLOT', key))
      const found = nodes[Math.min(masters - 1, Math.floor(slot / Math.ceil(slots / masters)))]
      if (found === undefined) throw new Error(`no node has slot ${slot}`)
      return found
    },
    remove,
  }
}

async function join(nodes: readonly RedisNode[], clients: readonly Redis[]): Promise<void> {
  const each = Math.ceil(slots / masters)
  for (const [index, client] of clients.slice(0, masters).entries())
    await client.call('CLUSTER', 'ADDSLOTSRANGE', index * each, Math.min(slots, (index + 1) * each) - 1)
  for (const { port } of nodes.slice(1)) await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port)
  for (const [index, client] of clients.slice(masters).entries()) {
    const id = String(await clients[index]?.call('CLUSTER', 'MYID'))
    await until(
      'a replica to know its master',
      async () => (await client.call('CLUSTER', 'REPLICATE', id)) ?? undefined,
    )
  }
  for (const [index, client] of clients.entries()) {
    await until(
      'the cluster to be complete',
      async () => {
        const info = String(await client.call('CLUSTER', 'INFO'))
        const isUp = index < masters || /master_link_status:up/.test(await client.info('replication'))
        return (isUp && info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:6')) || undefined
      },
      30_000,
    )
  }
}

/** A free port whose bus, 10,000 above, is a port too. */
async function lowPort(): Promise<number> {
  for (;;) {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    if (port < 55_000) return port
  }
}
