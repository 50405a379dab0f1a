import type { CommandDef } from 'citty'
import { cache } from './cache.ts'
import { disable } from './disable.ts'
import { dlq } from './dlq.ts'
import { forceOpen } from './force-open.ts'
import { history } from './history.ts'
import { limits } from './limits.ts'
import { release } from './release.ts'
import { simulate } from './simulate.ts'
import { status } from './status.ts'
import { verify } from './verify.ts'
import { watch } from './watch.ts'

/** Every command by the name that is typed, a file each; a new one is a file and a line here, or in its group. */
export const commands: Readonly<Record<string, CommandDef>> = Object.freeze({
  status,
  watch,
  history,
  'force-open': forceOpen,
  disable,
  release,
  limits,
  dlq,
  cache,
  simulate,
  verify,
})
