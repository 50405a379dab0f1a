import type { LetterDraft } from '../../src/ports/dead-letters.ts'

const organizations = ['acme', 'beta.example', 'gamma']
const channels = ['email', 'slack', 'webhook']
const errors = [
  Object.assign(new Error('too late'), { code: 'ETIMEDOUT' }),
  Object.assign(new Error('gone'), { status: 410 }),
  new Error('odd'),
]

/** A letter of a process, told by its number: they differ in all that filters look at. */
export function draftOf(process: string, n: number): LetterDraft {
  return {
    id: `${process}-${n}`,
    messageId: `${process}-${n}`,
    organization: organizations[n % 3] ?? '',
    channel: channels[Math.floor(n / 3) % 3] ?? '',
    error: errors[Math.floor(n / 9) % 3],
    payload: { process, n, text: 'line\nbreak and "quotes" é'.repeat(1 + (n % 5)) },
  }
}
