import type { Logger } from 'switchgear'

/** A job that is done again and again. */
export interface Regular {
  /** Does it now, unless it is being done. */
  now(): Promise<void>
  /** Resolves when it is not being done any more. */
  stop(): Promise<void>
}

/** Runs a job every so often, never twice at a time, and lives with its failures. */
export function regularly(everyMs: number, complaint: string, job: () => Promise<void>, logger: Logger): Regular {
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    try {
      await job()
    } catch (error) {
      logger.error({ error }, complaint)
    } finally {
      running = undefined
    }
  }
  const now = (): Promise<void> => (running ??= run())
  const timer = setInterval(() => void now(), everyMs).unref()
  return {
    now,
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
