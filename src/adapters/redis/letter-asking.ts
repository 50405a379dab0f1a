import { UnavailableError } from '../../kernel/errors.ts'
import type { RedisConnection } from './connection.ts'
import { type Argument, ask, run, type Script } from './run-script.ts'

/** Waits for an answer, but not for ever. */
export type InTime = <T>(ask: () => Promise<T>) => Promise<T>

/** Redis, as letters ask it: everything rejects with `UnavailableError` when it cannot be asked, or is not there in time. */
export interface LetterAsking {
  /** Texts in the reply are bytes. */
  script(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>
  command(name: string, ...args: Argument[]): Promise<unknown>
}

export function letterAsking(connection: RedisConnection, inTime: InTime): LetterAsking {
  const timely = async (question: () => Promise<unknown>): Promise<unknown> => {
    try {
      return await inTime(question)
    } catch (error) {
      if (error instanceof UnavailableError) throw error
      throw new UnavailableError('Redis', error instanceof Error ? error.message : String(error), { cause: error })
    }
  }
  return {
    script: (script, keys, args) => timely(() => run(connection, script, keys, args)),
    command: (name, ...args) => timely(() => ask(connection, (client) => client.callBuffer(name, ...args))),
  }
}

/** A reply that is a list. @throws UnavailableError for another one */
export function listIn(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply
  throw new UnavailableError('Redis', 'a script of the dead letters gave another answer than it can')
}

/** A text in a reply, or a number as text; '' for what is absent. */
export function textIn(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString()
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
