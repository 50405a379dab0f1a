import type { AttemptRecord } from '../store/stored-alert.ts'

/** Attempts that are kept of a message, the newest. */
const attemptsMax = 50
/** Characters of an error that are kept. */
const errorCharactersMax = 500

/** The attempts to send one message, with those of earlier claims. */
export interface AttemptLog {
  begin(): void
  /** The attempt under way has failed; one that has ended already stays as it is. */
  failed(error: string): void
  readonly records: readonly AttemptRecord[]
}

export function attemptLog(earlier: readonly AttemptRecord[]): AttemptLog {
  const records: AttemptRecord[] = [...earlier]
  let open = false
  return {
    begin() {
      if (records.length >= attemptsMax) records.shift()
      records.push({ at: Date.now() })
      open = true
    },
    failed(error) {
      const last = records.at(-1)
      if (!open || last === undefined) return
      records[records.length - 1] = { at: last.at, error: error.slice(0, errorCharactersMax) }
      open = false
    },
    records,
  }
}
