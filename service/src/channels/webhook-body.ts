import type { StoredAlert } from '../store/stored-alert.ts'

/** What a webhook gets: the alert, as JSON. The same bytes in every attempt. */
export function webhookBody(alert: StoredAlert, receiver: string): string {
  return JSON.stringify({
    type: `alert.${alert.status}`,
    timestamp: new Date(alert.acceptedAt).toISOString(),
    data: { ...alert, receiver },
  })
}
