import { ConfigError, SwitchgearError } from '../index.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { printable } from './printable.ts'

/** Says what went wrong on the standard error stream, in one line, and gives the exit code that says it to scripts. */
export function reportError(error: unknown, json: boolean): ExitCode {
  const code = error instanceof SwitchgearError ? error.code : 'BUG'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stderr.write(`${JSON.stringify({ error: { code, message } })}\n`)
  else process.stderr.write(`switchgear: ${printable(message)}\n`)
  if (error instanceof ConfigError) return exitCodes.usage
  if (error instanceof SwitchgearError && error.retryable) return exitCodes.unavailable
  // Nobody expected this one: whoever reports it needs to say where it came from.
  if (!json && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitCodes.bug
}
