import type { Receiver } from '../config/organizations.ts'
import type { StoredAlert } from '../store/stored-alert.ts'
import { emailMessage } from './email-message.ts'
import { slackMessage } from './slack-message.ts'

/** What would have been sent to a receiver whose channel has no settings. A webhook has its own, and never comes here. */
export function outboxMessage(receiver: Receiver, alert: StoredAlert, messageId: string): object {
  if (receiver.channel === 'slack') return slackMessage(alert, messageId)
  const to = receiver.target.kind === 'outbox' ? receiver.target.to : []
  return { to, ...emailMessage(alert, messageId, 'outbox.invalid') }
}
