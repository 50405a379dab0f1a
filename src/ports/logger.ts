import { unheeded } from '../kernel/unheeded.ts'

/** Anything with these three: pino, winston's pino shape, `console` with its arguments swapped. It may throw; nobody minds. */
export interface Logger {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export const silentLogger: Logger = Object.freeze({ info: () => {}, warn: () => {}, error: () => {} })

/** A logger that never throws, whatever the given one does, now or later. */
export function quietly(logger: Logger): Logger {
  const guard = (level: keyof Logger) => (facts: object, message: string) =>
    unheeded(() => logger[level](facts, message))
  return { info: guard('info'), warn: guard('warn'), error: guard('error') }
}
