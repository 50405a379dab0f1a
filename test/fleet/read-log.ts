import { natsLog } from '../../src/nats.ts'
import { silentLogger } from '../../src/ports/logger.ts'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { fold, unread, type Position, type Verdict } from '../../src/machines/fold.ts'
import { until } from '../servers/until.ts'

/** A message of the log, and what the fold makes of it. */
export interface ReadMessage {
  readonly message: StoredMessage
  readonly verdict: Verdict
  readonly position: Position
}

/** All that is retained of a breaker, read afresh by somebody who is no instance, and folded one by one. */
export async function readLog(
  servers: string | readonly string[],
  fleet: string,
  breaker: string,
): Promise<ReadMessage[]> {
  let linked = false
  const member = natsLog({ servers, manage: false }).join(
    { fleet, instance: 'reader', logger: silentLogger },
    { onLink: ({ state }) => (linked = state === 'linked'), onPreview: () => {}, onMessage: () => {} },
  )
  try {
    await until('a link', () => linked || undefined)
    return foldAll(await member.read(breaker))
  } finally {
    await member.leave()
  }
}

/** What the fold makes of messages, one by one. */
export function foldAll(messages: readonly StoredMessage[]): ReadMessage[] {
  let position = unread
  return messages.map((message) => {
    const folded = fold(position, message)
    position = folded.position
    return { message, ...folded }
  })
}

/** What was accepted, in order: the event's name, who says so, and when by the log. */
export function acceptedOf(read: readonly ReadMessage[]) {
  return read.flatMap(({ message: { at, seq, expected }, verdict, position: { state } }) =>
    verdict.accepted
      ? [{ name: nameOf(verdict.event.type), by: verdict.event.by, at, seq, expected, event: verdict.event, state }]
      : [],
  )
}

function nameOf(type: string): string {
  return type.split('.').at(-2) ?? type
}
