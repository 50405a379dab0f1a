import type { ConnectionOptions } from '@nats-io/transport-node'

/**
 * The options of the client for URLs such as `nats://user:pass@host:4222`, `nats://token@host` and `tls://host`, which by
 * itself it would take for hosts and ports alone.
 */
export function natsPlace(urls: readonly string[]): ConnectionOptions {
  const all = urls.map((url) => new URL(url))
  const named = all.find(({ username }) => username !== '')
  return {
    servers: all.map(({ hostname, port }) => `${hostname}:${port || defaultPort}`),
    ...(named !== undefined && identityIn(named)),
    ...(all.some(({ protocol }) => protocol === 'tls:') && { tls: {} }),
  }
}

const defaultPort = '4222'

function identityIn({ username, password }: URL): ConnectionOptions {
  const name = decodeURIComponent(username)
  return password === '' ? { token: name } : { user: name, pass: decodeURIComponent(password) }
}
