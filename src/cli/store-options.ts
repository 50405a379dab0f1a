import type { ArgsDef } from 'citty'
import { ConfigError, switchgearDefaults } from '../index.ts'
import { parseDuration } from './duration.ts'
import { textOf, type Given } from './given.ts'

/** Which fleet, and where its Redis is. */
export interface StoreOptions {
  readonly fleet: string
  /** A URL, or those of some nodes of a cluster. */
  readonly url: string | readonly string[]
  /** How long Redis may take for an answer, in ms. */
  readonly deadlineMs: number
}

const defaultDeadline = '5s'
const defaultUrl = 'redis://127.0.0.1:6379'

/** The options that every command has which asks Redis. */
export const storeArgs: ArgsDef = {
  fleet: { type: 'string', description: `Name of the fleet (FLEET; ${switchgearDefaults.fleet})`, valueHint: 'name' },
  redis: {
    type: 'string',
    description: `Where Redis is, nodes of a cluster with commas (REDIS_URL; ${defaultUrl})`,
    valueHint: 'url,…',
  },
  deadline: {
    type: 'string',
    description: `How long an answer may take (${defaultDeadline})`,
    valueHint: '500ms|5s|1m',
  },
  json: { type: 'boolean', description: 'JSON for programs, errors too' },
}

/** The variables that stand in for options, beside those of a fleet, for the help. */
export const storeEnvironment: readonly (readonly [string, string])[] = Object.freeze([['REDIS_URL', '--redis']])

/** @throws ConfigError that shows no URL, since there may be a password in it */
export function readStoreOptions(given: Given): StoreOptions {
  const urls = (textOf(given, 'redis', 'REDIS_URL') ?? defaultUrl).split(',').map((url) => url.trim())
  for (const url of urls) {
    if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
      throw new ConfigError('--redis', 'expected redis://host:port or rediss://…, several with commas')
  }
  const [only = defaultUrl, ...others] = urls
  return {
    fleet: textOf(given, 'fleet', 'FLEET') ?? switchgearDefaults.fleet,
    url: others.length === 0 ? only : urls,
    deadlineMs: parseDuration(textOf(given, 'deadline') ?? defaultDeadline, '--deadline'),
  }
}
