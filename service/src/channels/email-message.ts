import type { StoredAlert } from '../store/stored-alert.ts'

export interface EmailMessage {
  readonly subject: string
  readonly text: string
  /** Stable over attempts: mail systems drop a repetition by it. */
  readonly messageId: string
}

/** The longest subject that is sent, in characters. */
const subjectCharactersMax = 200

/** An alert as a plain text mail. `domain` makes the message's id one of a place. */
export function emailMessage(alert: StoredAlert, messageId: string, domain: string): EmailMessage {
  const state = alert.status === 'resolved' ? 'RESOLVED' : alert.severity.toUpperCase()
  const labels = Object.entries(alert.labels).map(([name, value]) => `${name}: ${value}`)
  const facts = [
    `organization: ${alert.organization}`,
    `severity: ${alert.severity}`,
    `status: ${alert.status}`,
    `type: ${alert.type}`,
    ...(alert.occurredAt === undefined ? [] : [`occurred: ${new Date(alert.occurredAt).toISOString()}`]),
    `accepted: ${new Date(alert.acceptedAt).toISOString()}`,
    `id: ${alert.id}`,
  ]
  return {
    subject: oneLine(`[${state}] ${alert.title}`).slice(0, subjectCharactersMax),
    text: [alert.title, '', alert.message, '', ...facts, ...(labels.length > 0 ? ['', ...labels] : [])].join('\n'),
    messageId: `<${messageId}@${domain}>`,
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
