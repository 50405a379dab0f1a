/**
 * Codes of Redis with which it says that it cannot serve anyone, whatever the key. Others, such as `WRONGTYPE` or an error
 * of a script over what stands in a key, are about the key that was asked for.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
const codes = [
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNKILLABLE',
  'WRONGPASS',
]

/** At the beginning; before Redis 7 a script put its own name before it, and a dash. */
const beginning = String.raw`^(?:ERR .*: -?)?`
const ofAll = new RegExp(String.raw`${beginning}(?:${codes.join('|')})\b|^ERR max number of clients`)
const ofReplica = new RegExp(String.raw`${beginning}READONLY\b`)

/** Whether an error says that this is no master, or no longer: another connection may lead to the one that is. */
export function isOfReplica({ message }: Error): boolean {
  return ofReplica.test(message)
}

/**
 * Whether an error of a store in Redis says that nobody can be served. Whatever is no answer of Redis does: a lost
 * connection, a timeout, none of the nodes.
 */
export function isOutage(error: unknown): boolean {
  const said = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return !(said instanceof Error && said.name === 'ReplyError') || ofAll.test(said.message)
}
