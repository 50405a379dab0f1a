import { createInterface } from 'node:readline'
import type { ArgsDef } from 'citty'
import { ConfigError } from '../index.ts'
import { isGiven, type Given } from './given.ts'
import { printable } from './printable.ts'

export const confirmArgs: ArgsDef = {
  yes: { type: 'boolean', description: 'Do not ask; needed where there is no terminal' },
  'dry-run': { type: 'boolean', description: 'Only say how many it would be' },
}

/** Where somebody can be asked. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** The question is not part of what is printed. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/**
 * Whether it is wanted: by `--yes`, or by who is at the terminal; no answer is a no.
 * @throws ConfigError where nobody can be asked
 */
export async function isConfirmed(given: Given, what: string, terminal: Terminal = process): Promise<boolean> {
  if (isGiven(given, 'yes')) return true
  const { stdin, stderr } = terminal
  if (stdin.isTTY !== true || stderr.isTTY !== true)
    throw new ConfigError('--yes', `it is needed to ${what}, since nobody can be asked here`)
  const asking = createInterface({ input: stdin, output: stderr, terminal: false })
  const answer = await new Promise<string>((resolve) => {
    asking.once('close', () => resolve(''))
    asking.question(`${printable(what)}? [y/N] `, resolve)
  })
  asking.close()
  if (/^y(es)?$/i.test(answer.trim())) return true
  stderr.write('nothing was done\n')
  return false
}
