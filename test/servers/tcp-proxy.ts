import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Direction = 'toServer' | 'toClient'

/** A wire that a test can break: it stands between clients and one server. */
export interface TcpProxy {
  readonly url: string
  /** What goes this way is held back from now on, and is delivered in order after `release`. */
  hold(direction: Direction): void
  release(direction: Direction): void
  /** What goes this way takes that much longer from now on, in ms; it stays in order. 0 ends it. */
  delay(direction: Direction, ms: number): void
  /** What goes this way is thrown away, until the connections are cut. */
  lose(direction: Direction): void
  /** Resets all connections, with what was held back; new ones are carried as usual. */
  cut(): void
  /** Does that by itself, once, when so many more bytes have gone this way. */
  cutOnceAfter(direction: Direction, bytes: number): void
  /** Whether new connections are taken; those that are there stay. */
  accept(accepting: boolean): void
  /** How many clients are connected. */
  readonly connections: number
  /** How often a text went this way so far, as far as it was not torn. */
  seen(direction: Direction, text: string): number
  stop(): Promise<void>
}

export async function startTcpProxy(serverUrl: string): Promise<TcpProxy> {
  const target = new URL(serverUrl)
  const lanes: Record<Direction, Lane> = { toServer: newLane(), toClient: newLane() }
  const sockets = new Set<Socket>()
  let accepting = true
  const server = createServer((client) => {
    if (!accepting) return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (data) => lanes.toServer.carry(data, upstream))
    upstream.on('data', (data) => lanes.toClient.carry(data, client))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const cut = (): void => {
    for (const lane of Object.values(lanes)) lane.clear()
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    url: `${target.protocol}//127.0.0.1:${port}`,
    hold: (direction) => lanes[direction].become('holding'),
    release: (direction) => lanes[direction].become('open'),
    delay: (direction, ms) => lanes[direction].delay(ms),
    lose: (direction) => lanes[direction].become('losing'),
    cut,
    cutOnceAfter: (direction, bytes) => lanes[direction].after(bytes, cut),
    accept: (value) => void (accepting = value),
    get connections() {
      return sockets.size / 2
    },
    seen: (direction, text) => lanes[direction].seen(text),
    async stop() {
      accepting = false
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Lane {
  carry(data: Buffer, to: Socket): void
  become(state: 'open' | 'holding' | 'losing'): void
  delay(ms: number): void
  seen(text: string): number
  after(bytes: number, run: () => void): void
  clear(): void
}

/** The last so many bytes are kept to be searched. */
const keptMax = 1_000_000

function newLane(): Lane {
  let state: 'open' | 'holding' | 'losing' = 'open'
  let held: { readonly data: Buffer; readonly to: Socket }[] = []
  let kept = ''
  let delayMs = 0
  /** What was sent later does not arrive sooner. */
  let notBefore = 0
  const deliver = (data: Buffer, to: Socket): void => {
    const now = performance.now()
    notBefore = Math.max(notBefore, now + delayMs)
    if (notBefore > now) setTimeout(() => to.write(data), notBefore - now)
    else to.write(data)
  }
  let bytesLeft = Infinity
  let run = (): void => {}
  return {
    carry(data, to) {
      bytesLeft -= data.length
      if (bytesLeft < 0) {
        bytesLeft = Infinity
        return run()
      }
      kept = (kept + data.toString('latin1')).slice(-keptMax)
      if (state === 'open') deliver(data, to)
      if (state === 'holding') held.push({ data, to })
    },
    become(next) {
      state = next
      if (next !== 'open') return
      for (const { data, to } of held) to.write(data)
      held = []
    },
    delay: (ms) => void (delayMs = ms),
    seen: (text) => kept.split(text).length - 1,
    after(bytes, then) {
      bytesLeft = bytes
      run = then
    },
    clear() {
      state = 'open'
      held = []
    },
  }
}
