/** How the command ends, for scripts; the same table stands in every `--help` and in `docs/cli.md`. */
export const exitCodes: {
  readonly fine: 0
  readonly notClosed: 1
  readonly notAll: 1
  readonly broken: 1
  readonly declined: 1
  readonly usage: 2
  readonly unavailable: 3
  readonly nothingThere: 4
  readonly bug: 70
} = Object.freeze({
  fine: 0,
  notClosed: 1,
  notAll: 1,
  broken: 1,
  declined: 1,
  usage: 2,
  unavailable: 3,
  nothingThere: 4,
  bug: 70,
})

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** What each means, in the order of the table. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = Object.freeze([
  [exitCodes.fine, 'done; `watch`, or the watching of a redrive, was ended by SIGINT or SIGTERM'],
  [
    exitCodes.notClosed,
    '`status --check`: a breaker is not closed; `dlq`: not all letters were sent or taken in, or the answer was no; `simulate`, `verify`: a law is broken',
  ],
  [exitCodes.usage, 'wrong usage, or an option or setting that cannot be meant'],
  [exitCodes.unavailable, 'NATS or Redis, or the log of the fleet, could not be reached in time'],
  [
    exitCodes.nothingThere,
    'nothing there: the log does not know the breaker, it has no order to release, no limit is in use, no such letter, or no instance has answered',
  ],
  [exitCodes.bug, 'a bug in the command'],
])
