import type { AttemptRecord } from '../store/stored-alert.ts'

/** Attempts that are kept of a message, the newest. */
const attemptsMax = 50
/** Characters of an error that are kept. */
const errorCharactersMax = 500

/** The attempts to send one message, with those of earlier claims. */
export interface AttemptLog {
  /** Gives what says of this attempt that it has failed; what is said first stays. */
  begin(): (error: string) => void
  readonly records: readonly AttemptRecord[]
}

export function attemptLog(earlier: readonly AttemptRecord[]): AttemptLog {
  const records: AttemptRecord[] = [...earlier]
  return {
    begin() {
      if (records.length >= attemptsMax) records.shift()
      const record: AttemptRecord = { at: Date.now() }
      records.push(record)
      return (error) => {
        const index = records.lastIndexOf(record)
        if (index !== -1) records[index] = { at: record.at, error: error.slice(0, errorCharactersMax) }
      }
    },
    records,
  }
}
