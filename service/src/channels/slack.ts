import type { Channel } from './channel.ts'
import type { HttpSender } from './http-sender.ts'
import { slackMessage } from './slack-message.ts'

/** Slack's incoming webhooks. */
export function slackChannel(http: HttpSender): Channel<'slack'> {
  return {
    send: ({ messageId, alert, target, signal }) =>
      http.post(target.url, JSON.stringify(slackMessage(alert, messageId)), {}, signal),
    close: async () => {},
  }
}
