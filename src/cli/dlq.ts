import type { CommandDef } from 'citty'
import { count } from './dlq-count.ts'
import { edit } from './dlq-edit.ts'
import { exportLetters } from './dlq-export.ts'
import { importLetters } from './dlq-import.ts'
import { ls } from './dlq-ls.ts'
import { park, unpark } from './dlq-park.ts'
import { purge } from './dlq-purge.ts'
import { redrive } from './dlq-redrive.ts'
import { redrives } from './dlq-redrives.ts'
import { showLetter } from './dlq-show.ts'
import { stats } from './dlq-stats.ts'

/** What there is to do with dead letters. */
export const dlq: CommandDef = {
  meta: {
    name: 'dlq',
    description: 'Dead letters: look at them, mend them, send them again, set them aside, take them out',
  },
  subCommands: {
    ls,
    show: showLetter,
    count,
    stats,
    edit,
    redrive,
    redrives,
    park,
    unpark,
    purge,
    export: exportLetters,
    import: importLetters,
  },
}
