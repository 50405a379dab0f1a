import type { CommandDef } from 'citty'
import { override } from './limits-override.ts'
import { reset } from './limits-reset.ts'
import { show } from './limits-show.ts'
import { suggest } from './limits-suggest.ts'

/** What there is to do with rate limits. */
export const limits: CommandDef = {
  meta: {
    name: 'limits',
    description: 'Rate limits: propose them from use, look at those of an organization, change them',
  },
  subCommands: { suggest, show, override, reset },
}
