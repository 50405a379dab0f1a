import { type Severity, severities } from '../intake/alert-schema.ts'
import type { AlertGroup } from './find-groups.ts'
import type { StoredAlert } from './stored-alert.ts'

/** Characters of a title, and of a message with the titles of a group: no more than alerts themselves may have. */
const titleMax = 500
const messageMax = 18_000

/**
 * The one message of a group, as an alert that every channel can send: its first alert, with how many there are, what they
 * are called, and the highest of their severities.
 */
export function groupedAlert(first: StoredAlert, group: AlertGroup): StoredAlert {
  const { dedupKey: _dedupKey, occurredAt: _occurredAt, ...facts } = first
  const count = group.count + 1
  const titles = shownOf([first.title, ...group.titles])
  const unshown = count - titles.length
  return {
    ...facts,
    severity: highest([first.severity, ...group.severities]),
    title: `${count} alerts: ${first.title}`.slice(0, titleMax).toWellFormed(),
    message: [...titles.map((title) => `- ${title}`), ...(unshown > 0 ? [`and ${unshown} more`] : [])].join('\n'),
    labels: group.labels,
    group: { count, titles },
  }
}

function shownOf(titles: readonly string[]): readonly string[] {
  let left = messageMax
  const end = titles.findIndex((title) => (left -= title.length + '- \n'.length) < 0)
  return end < 0 ? titles : titles.slice(0, end)
}

/** They are listed from the highest to the lowest. */
function highest(found: readonly Severity[]): Severity {
  return severities.find((severity) => found.includes(severity)) ?? 'info'
}
