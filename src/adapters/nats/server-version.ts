/**
 * What to say of replicas on a server before 2.10: it may acknowledge two appends on one position. The fold takes one of
 * them, the same everywhere, so nothing breaks; but an author may believe for a moment that it has won.
 */
export function replicasWarning(version: string | undefined, replicas: number): string | undefined {
  if (replicas === 1 || version === undefined || isAtLeast(version, 2, 10)) return undefined
  return `nats-server ${version} with ${replicas} replicas can acknowledge two appends on one position; use 2.10 or later`
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [, isMajor = '0', isMinor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? []
  return Number(isMajor) > major || (Number(isMajor) === major && Number(isMinor) >= minor)
}
