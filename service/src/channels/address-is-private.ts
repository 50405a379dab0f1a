import { BlockList, isIP, isIPv4 } from 'node:net'

/**
 * Address blocks that lead back into our own network, to this machine, or to nobody in particular.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
const privateIPv4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // shared by carriers
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local; clouds serve credentials here
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.31.196.0', 24], // AS112
  ['192.52.193.0', 24], // AMT
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['192.175.48.0', 24], // AS112
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
]

/** Of IPv6 only global unicast may be called, and of that not these. */
const globalIPv6: readonly [string, number] = ['2000::', 3]
const privateIPv6: readonly (readonly [string, number])[] = [
  ['2001::', 23], // protocol assignments, Teredo, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: carries any IPv4 address
  ['2620:4f:8000::', 48], // AS112
  ['3fff::', 20], // documentation
]

const blocked = blockList(privateIPv4, 'ipv4')
const reachable = blockList([globalIPv6], 'ipv6')
const excepted = blockList(privateIPv6, 'ipv6')
const mapped = blockList([['::ffff:0:0', 96]], 'ipv6')

/**
 * Whether an IP address is one that a message of a stranger's choosing may not be sent to. Text that is no address counts
 * as private: what cannot be judged is not called.
 */
export function isPrivateAddress(address: string): boolean {
  const plain = withoutZone(address)
  if (isIPv4(plain)) return blocked.check(plain, 'ipv4')
  if (isIP(plain) === 0) return true
  // An IPv4 address in IPv6 clothes is judged as what it is.
  if (mapped.check(plain, 'ipv6')) return blocked.check(plain, 'ipv6')
  return !reachable.check(plain, 'ipv6') || excepted.check(plain, 'ipv6')
}

function withoutZone(address: string): string {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  return bare.split('%')[0] ?? bare
}

function blockList(subnets: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, family)
  return list
}
