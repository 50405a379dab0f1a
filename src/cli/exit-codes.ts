/** How the command ends, for scripts; the same table stands in every `--help` and in `docs/cli.md`. */
export const exitCodes: {
  readonly fine: 0
  readonly notClosed: 1
  readonly usage: 2
  readonly unavailable: 3
  readonly nothingThere: 4
  readonly bug: 70
} = Object.freeze({ fine: 0, notClosed: 1, usage: 2, unavailable: 3, nothingThere: 4, bug: 70 })

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** What each means, in the order of the table. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = Object.freeze([
  [exitCodes.fine, 'done; `watch` was ended by SIGINT or SIGTERM'],
  [exitCodes.notClosed, '`status --check`: a breaker is not closed'],
  [exitCodes.usage, 'wrong usage, or an option or setting that cannot be meant'],
  [exitCodes.unavailable, 'NATS or Redis, or the log of the fleet, could not be reached in time'],
  [
    exitCodes.nothingThere,
    'nothing there: the log does not know the breaker, it has no order to release, no limit is in use, or no instance has answered',
  ],
  [exitCodes.bug, 'a bug in the command'],
])
