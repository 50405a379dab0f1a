import { createHash } from 'node:crypto'
import { UnavailableError } from '../../kernel/errors.ts'
import type { RedisClient, RedisConnection } from './connection.ts'

/** A Lua script, and the name that Redis gives it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export type Argument = string | number | Buffer

export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** What a script replies, texts as bytes. Rejects with `UnavailableError` whatever Redis, or its client, says against it. */
export function run(
  connection: RedisConnection,
  { sha, source }: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  return ask(connection, (client) =>
    client.callBuffer('evalsha', sha, keys.length, ...keys, ...args).catch((error: unknown) => {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return client.callBuffer('eval', source, keys.length, ...keys, ...args)
    }),
  )
}

/** Gives the client a command as soon as it can be sent. Rejects with `UnavailableError`, see there. */
export function ask<T>(connection: RedisConnection, command: (client: RedisClient) => Promise<T>): Promise<T> {
  try {
    const client = connection.client()
    const reply = client instanceof Promise ? client.then(command) : command(client)
    return reply.catch(refuse)
  } catch (error) {
    return Promise.reject(error)
  }
}

function refuse(error: unknown): never {
  if (error instanceof UnavailableError) throw error
  throw new UnavailableError('Redis', error instanceof Error ? error.message : String(error), { cause: error })
}
