import { ConfigError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'

export interface ServerAddress {
  readonly hostname: string
  readonly port: number
}

/** What URLs of servers say. The client would pass over all of it but the host and the port. */
export interface Servers {
  readonly addresses: readonly ServerAddress[]
  /** From `nats://user:pass@host`. */
  readonly user?: string
  readonly pass?: string
  /** From `nats://token@host`. */
  readonly token?: string
  /** One of them is `tls://`. */
  readonly tls: boolean
}

const defaultPort = 4222

/**
 * Reads `nats://host:port`, `tls://host`, `nats://user:pass@host`, `host:port`, `[::1]:4222`.
 * @throws ConfigError for anything else, and where they disagree about the user. It shows no password.
 */
export function readServers(servers: string | readonly string[]): Servers {
  const urls = [servers].flat().map(readUrl)
  const named = urls.filter(({ username }) => username !== '')
  const [first] = named
  if (named.some(({ username, password }) => username !== first?.username || password !== first.password))
    throw new ConfigError('natsLog.servers', 'expected the same user in each URL that has one')
  return {
    addresses: urls.map(({ hostname, port }) => ({
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port || defaultPort),
    })),
    ...(first !== undefined && identityIn(first)),
    tls: urls.some(({ protocol }) => protocol === 'tls:'),
  }
}

/** As the client takes it. */
export function addressText({ hostname, port }: ServerAddress): string {
  return hostname.includes(':') ? `[${hostname}]:${port}` : `${hostname}:${port}`
}

function identityIn({ username, password }: URL): { user: string; pass: string } | { token: string } {
  const user = decodeURIComponent(username)
  return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) }
}

function readUrl(text: string): URL {
  const url = text.includes('://') ? text : `nats://${text}`
  if (/^(nats|tls):\/\//.test(url) && URL.canParse(url)) {
    const parsed = new URL(url)
    if (parsed.hostname !== '' && isEncoded(parsed.username) && isEncoded(parsed.password)) return parsed
  }
  const safe = text.replace(/^(.*:\/\/)?.*@/, '$1…@')
  throw new ConfigError('natsLog.servers', `expected a URL such as nats://127.0.0.1:4222 (given: ${shown(safe)})`)
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
