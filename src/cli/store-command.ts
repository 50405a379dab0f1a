import type { ArgsDef, CommandDef } from 'citty'
import { UnavailableError, type Logger } from '../index.ts'
import type * as Door from '../redis.ts'
import { readableDuration } from './duration.ts'
import type { ExitCode } from './exit-codes.ts'
import { isGiven, type Given } from './given.ts'
import { openDoor } from './open-door.ts'
import { screenOn, type Screen } from './screen.ts'
import { readStoreOptions, storeArgs, type StoreOptions } from './store-options.ts'

export interface StoreCommand {
  readonly name: string
  readonly description: string
  /** Its own; those of `storeArgs` come on top. */
  readonly args: ArgsDef
  /** Reads what was given, before anything is asked of Redis, and gives what to do with it. @throws ConfigError */
  prepare(given: Given): (stores: Stores) => ExitCode | Promise<ExitCode>
}

/** What stands in the Redis of a fleet, until the command is done. */
export interface Stores {
  readonly fleet: string
  readonly screen: Screen
  /** Makes a store; it is closed when the command is done. */
  open<S extends Closable>(make: (door: typeof Door, options: StoreOptions & { readonly logger: Logger }) => S): S
  /** Whether a store has said that it had no answer of Redis. */
  hasMissed(): boolean
  /** For a store that answered without Redis. */
  unreached(): UnavailableError
}

interface Closable {
  close?(): Promise<void>
}

/** A command that asks the Redis of a fleet for as long as it runs, and leaves it whatever happens. */
export function storeCommand({ name, description, args, prepare }: StoreCommand): CommandDef {
  return {
    meta: { name, description },
    args: { ...args, ...storeArgs },
    async run({ args: given }): Promise<ExitCode> {
      const work = prepare(given)
      const options = readStoreOptions(given)
      const door = await openDoor(() => import('../redis.ts'), 'ioredis')
      const opened: Closable[] = []
      let why: unknown
      const note = (facts: object): void => {
        if ('err' in facts) why = facts.err
      }
      const logger = { info: () => {}, warn: note, error: note }
      try {
        return await work({
          fleet: options.fleet,
          screen: screenOn(process.stdout, isGiven(given, 'json')),
          open(make) {
            const store = make(door, { ...options, logger })
            opened.push(store)
            return store
          },
          hasMissed: () => why !== undefined,
          unreached: () => unreached(options, why),
        })
      } catch (error) {
        throw error instanceof UnavailableError ? unreached(options, error.cause ?? why ?? error) : error
      } finally {
        await Promise.all(opened.map(async (store) => store.close?.()))
      }
    },
  }
}

function unreached({ url, fleet, deadlineMs }: StoreOptions, error: unknown): UnavailableError {
  const where = [url].flat().map(withoutUser).join(', ')
  const why = error instanceof Error ? error.message.replace(/^.* is unavailable: /, '') : 'it gave no answer'
  const waited = `waited ${readableDuration(deadlineMs)} at most`
  return new UnavailableError(`${where}, fleet "${fleet}"`, `${why} (${waited}); ${adviceFor(why)}`, { cause: error })
}

function adviceFor(why: string): string {
  if (/NOAUTH|WRONGPASS|NOPERM/.test(why)) return 'check the user and the password in --redis (REDIS_URL)'
  if (why.startsWith('MOVED')) return 'this is a cluster: give some of its nodes to --redis, with commas'
  return 'is Redis running there? Check --redis (REDIS_URL), or give it longer with --deadline'
}

/** A URL without what identifies, for messages. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/, '$1')
}
