import { nanos } from '@nats-io/transport-node'
import type { MessageAnswer } from '../../ports/message-answer.ts'

/** As the server reads it. A term takes no reason before 2.10: it would be passed over. */
export function payloadOf(answer: MessageAnswer): string {
  if (answer.kind === 'ack') return '+ACK'
  if (answer.kind === 'term') return '+TERM'
  return answer.delayMs === 0 ? '-NAK' : `-NAK ${JSON.stringify({ delay: nanos(answer.delayMs) })}`
}
