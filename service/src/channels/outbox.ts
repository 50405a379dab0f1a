import type { Receiver } from '../config/organizations.ts'
import type { StoredAlert } from '../store/stored-alert.ts'
import { emailMessage } from './email-message.ts'
import { slackMessage } from './slack-message.ts'
import { webhookBody } from './webhook-body.ts'

/** What would have been sent to a receiver whose channel has no settings. */
export function outboxMessage(receiver: Receiver, alert: StoredAlert, messageId: string): object {
  switch (receiver.channel) {
    case 'email': {
      const to = receiver.target.kind === 'outbox' ? receiver.target.to : []
      return { to, ...emailMessage(alert, messageId, 'outbox.invalid') }
    }
    case 'slack':
      return slackMessage(alert, messageId)
    case 'webhook':
      return JSON.parse(webhookBody(alert, receiver.name)) as object
  }
}
