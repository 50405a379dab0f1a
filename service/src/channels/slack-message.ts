import type { StoredAlert } from '../store/stored-alert.ts'

/** What Slack takes at most of each kind of text. @see https://docs.slack.dev/reference/block-kit/blocks */
const headerCharactersMax = 150
const sectionCharactersMax = 3_000
const fieldCharactersMax = 2_000
const fieldsMax = 10

/** How loud an alert is, at a glance. */
const signs: Readonly<Record<StoredAlert['severity'], string>> = {
  critical: ':red_circle:',
  high: ':large_orange_circle:',
  medium: ':large_yellow_circle:',
  low: ':large_blue_circle:',
  info: ':white_circle:',
}

/**
 * An alert in Block Kit. Slack has no idempotency of its own; the message's id stands as the `block_id` of the last
 * block, the same in every attempt, so that a repetition can be told.
 */
export function slackMessage(alert: StoredAlert, messageId: string): object {
  const sign = alert.status === 'resolved' ? ':white_check_mark:' : signs[alert.severity]
  const state = alert.status === 'resolved' ? 'resolved' : alert.severity
  return {
    text: clip(`${sign} ${state}: ${escaped(alert.title)}`, sectionCharactersMax),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: clip(`${sign} ${alert.title}`, headerCharactersMax) } },
      { type: 'section', text: { type: 'mrkdwn', text: clip(escaped(alert.message), sectionCharactersMax) } },
      { type: 'section', fields: fields(alert) },
      {
        type: 'context',
        block_id: `switchgear:${messageId}`,
        elements: [{ type: 'mrkdwn', text: clip(`${escaped(alert.organization)} · ${escaped(alert.id)}`, 500) }],
      },
    ],
  }
}

function fields(alert: StoredAlert): object[] {
  const facts = { severity: alert.severity, status: alert.status, type: alert.type }
  // Labels may have the names of facts: both are shown, as in mails.
  return [...Object.entries(facts), ...Object.entries(alert.labels)].slice(0, fieldsMax).map(([name, value]) => ({
    type: 'mrkdwn',
    text: clip(`*${escaped(name)}*\n${escaped(value)}`, fieldCharactersMax),
  }))
}

/** The three characters that mean something in Slack's text: nobody is mentioned by an alert's title. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Cuts by whole characters, so that no half of a pair is left. */
function clip(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text
  return `${text
    .slice(0, charactersMax - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')}…`
}
