/** Where a fleet's things stand in NATS. `wire.md` has the table. */
export interface FleetSubjects {
  /** The stream that is the log. */
  readonly stream: string
  /** The subjects of the log, all of them. */
  readonly log: string
  logOf(topic: string): string
  /** The topic of a subject of the log; `undefined` for one that no topic has. */
  topicOf(subject: string): string | undefined
  /** Where stored messages are published again, for anyone to subscribe; `{{wildcard(1)}}` stands for the breaker. */
  readonly transitions: string
  readonly auditStream: string
  readonly audit: string
  auditOf(topic: string): string
  /** Where a channel is broadcast: `kind`, or `kind/topic`, becomes a token each. */
  channel(channel: string): string
}

export function fleetSubjects(fleet: string): FleetSubjects {
  const root = `switchgear.v1.${fleet}`
  const logPrefix = `${root}.log.`
  return {
    stream: `SWITCHGEAR_${fleet}`,
    log: `${logPrefix}*`,
    logOf: (topic) => `${logPrefix}${encodeToken(topic)}`,
    topicOf: (subject) => (subject.startsWith(logPrefix) ? decodeToken(subject.slice(logPrefix.length)) : undefined),
    transitions: `${root}.transitions.{{wildcard(1)}}`,
    auditStream: `SWITCHGEAR_AUDIT_${fleet}`,
    audit: `${root}.audit.*`,
    auditOf: (topic) => `${root}.audit.${encodeToken(topic)}`,
    channel(channel) {
      const slash = channel.indexOf('/')
      if (slash < 0) return `${root}.${encodeKind(channel)}`
      return `${root}.${encodeKind(channel.slice(0, slash))}.${encodeToken(channel.slice(slash + 1))}`
    },
  }
}

/**
 * A name as one token of a subject: `A-Z a-z 0-9 _ -` stand for themselves, every other UTF-8 byte is `=HH`, and the
 * empty text is `=`. Two names never give the same token. A lone surrogate has no UTF-8 and is taken for U+FFFD.
 */
export function encodeToken(name: string): string {
  if (name === '') return '='
  if (plain.test(name)) return name
  return [...utf8.encode(name)].map(encodeByte).join('')
}

/** The name of a token; `undefined` for a text that `encodeToken` gives for no name. */
export function decodeToken(token: string): string | undefined {
  if (token === '=') return ''
  if (plain.test(token)) return token
  try {
    const name = decodeURIComponent(token.replaceAll('%', '%25').replaceAll('=', '%'))
    return encodeToken(name) === token ? name : undefined
  } catch {
    return undefined
  }
}

const plain = /^[A-Za-z0-9_-]+$/
const utf8 = new TextEncoder()

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte)
  return plain.test(character) ? character : `=${hex(byte)}`
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0')
}

/** What stands under these is stored or comes from the log, and no broadcast may be taken for it. */
const reserved = new Set(['log', 'transitions', 'audit', 'alerts'])

function encodeKind(kind: string): string {
  return reserved.has(kind) ? `=${hex(kind.charCodeAt(0))}${kind.slice(1)}` : encodeToken(kind)
}
