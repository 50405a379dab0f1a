import { readFileSync } from 'node:fs'
import { ConfigError } from '../index.ts'
import { textOf, type Given } from './given.ts'

/** What the file of `--config` says; what it means is for who asks for it. @throws ConfigError */
export function readConfiguration(path: string): object {
  let read: unknown
  try {
    read = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is no JSON' : 'is no file that can be read'
    throw new ConfigError('--config', `${JSON.stringify(path)} ${what}`, { cause: error })
  }
  if (typeof read === 'object' && read !== null) return read
  throw new ConfigError('--config', `${JSON.stringify(path)} holds no configuration`)
}

/** A seed that was given as an option. @throws ConfigError */
export function seedOf(given: Given): number | undefined {
  const text = textOf(given, 'seed')
  if (text === undefined) return undefined
  const seed = /^-?\d+$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(seed)) return seed
  throw new ConfigError('--seed', `expected a whole number (given: ${JSON.stringify(text)})`)
}
