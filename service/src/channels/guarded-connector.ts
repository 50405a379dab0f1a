import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { isPrivateAddress } from './address-is-private.ts'

/** A destination in a network that messages may not enter. Nothing was sent. */
export class PrivateAddressError extends Error {
  readonly code = 'PRIVATE_ADDRESS'
  readonly retryable = false

  constructor(host: string, address: string) {
    super(
      `${host} ${host === address ? 'is' : `resolves to ${address},`} a private, loopback or link-local address; ` +
        'WEBHOOK_ALLOW_PRIVATE=1 allows it',
    )
    this.name = 'PrivateAddressError'
  }
}

/** How names become addresses; `dns.lookup` with `all`. */
export type Resolve = (
  host: string,
  options: LookupOptions & { readonly all: true },
  answer: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface GuardedConnectorOptions {
  /** In ms. */
  readonly connectTimeoutMs: number
  readonly resolve?: Resolve
}

/**
 * A connector for undici that opens no connection into private networks. Literals never reach a lookup, so they are
 * checked here; of a name, every address is checked, and the connection goes to what was checked, so that a second answer
 * of the name server changes nothing.
 */
export function guardedConnector(options: GuardedConnectorOptions): buildConnector.connector {
  const { connectTimeoutMs, resolve = systemLookup } = options
  const connect = buildConnector({ timeout: connectTimeoutMs, lookup: guardedLookup(resolve) })
  return (target, answer) => {
    const host = target.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0 && isPrivateAddress(host)) return answer(new PrivateAddressError(host, host), null)
    return connect(target, (error, socket) => {
      if (error !== null) return answer(error, null)
      const reached = socket?.remoteAddress
      // Belt and braces: whatever led here, no byte goes to an address that would have been refused.
      if (socket === null || (reached !== undefined && isPrivateAddress(reached))) {
        socket?.destroy()
        return answer(new PrivateAddressError(host, reached ?? host), null)
      }
      return answer(null, socket)
    })
  }
}

function guardedLookup(resolve: Resolve): LookupFunction {
  return (host, options, answer) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      const refused = error === null ? addresses.find(({ address }) => isPrivateAddress(address)) : undefined
      const [first] = addresses ?? []
      if (error !== null) answer(error, [])
      else if (refused !== undefined) answer(new PrivateAddressError(host, refused.address), [])
      else if (first === undefined) answer(notFound(host), [])
      else if (options.all === true) answer(null, addresses)
      else answer(null, first.address, first.family)
    })
  }
}

function notFound(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
}
