import { Webhook } from 'standardwebhooks'
import type { Channel } from './channel.ts'
import type { HttpSender } from './http-sender.ts'
import { webhookBody } from './webhook-body.ts'

/**
 * Webhooks, signed as Standard Webhooks describe: `webhook-id` is the message's id in every attempt, the timestamp is the
 * attempt's.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function webhookChannel(http: HttpSender): Channel<'webhook'> {
  return {
    async send({ messageId, alert, receiver, target, signal, traceparent }) {
      const now = new Date()
      const body = webhookBody(alert, receiver)
      const headers = {
        'webhook-id': messageId,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
        'webhook-signature': new Webhook(target.secret).sign(messageId, now, body),
        ...(traceparent === undefined ? {} : { traceparent }),
      }
      await http.post(target.url, body, headers, signal)
    },
    close: async () => {},
  }
}
