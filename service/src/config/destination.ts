import { createHash } from 'node:crypto'

/** The longest name of a breaker. */
const nameCharactersMax = 128

/** The breaker of an HTTP destination: `<channel>:<host>`, with a port that is not the scheme's. */
export function destinationOf(channel: 'slack' | 'webhook', url: string): string {
  return bounded(`${channel}:${new URL(url).host}`)
}

/** The breaker of a mail relay: `email:<host>`, with a port that is not the one which its scheme implies. */
export function destinationOfMail(url: URL): string {
  const implied = url.protocol === 'smtps:' ? '465' : '587'
  const port = url.port === '' || url.port === implied ? '' : `:${url.port}`
  return bounded(`email:${url.hostname}${port}`)
}

const outboxPrefix = 'outbox:'

/** Where messages wait to be looked at, because their channel has no settings. It has no breaker: nothing can fail. */
export function outboxDestination(channel: string): string {
  return `${outboxPrefix}${channel}`
}

export function isOutbox(destination: string): boolean {
  return destination.startsWith(outboxPrefix)
}

/** Host names can be longer than names of breakers: then a hash stands for the rest. */
function bounded(name: string): string {
  if (name.length <= nameCharactersMax) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${name.slice(0, nameCharactersMax - hash.length - 1)}~${hash}`
}
