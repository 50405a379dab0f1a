import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { fold, inForce, unread, type Position } from '../../machines/fold.ts'
import type { FleetScript } from '../fleet-script.ts'
import { fleetStory } from '../fleet-story.ts'
import type { Law } from '../law.ts'
import { logScripts, writeLog, type LogScript } from '../written-log.ts'
import { loosenByFold, strictness } from './autonomy-gate.ts'
import { eitherOf } from './either-of.ts'

interface GappyReading {
  readonly script: LogScript
  /** Which messages are missed, over and over. */
  readonly missed: readonly boolean[]
}

/**
 * Somebody who has missed messages cannot tell the winner of a race from the loser: until what it reads next is certain,
 * it is as strict as it was. A fleet that loses messages does not come to this often enough to be a case.
 */
const uncertain: Law<GappyReading> = {
  name: 'autonomy.loosen-by-log',
  says: 'a reading that is uncertain, as messages were missed, loosens nothing',
  cases: fc.record({ script: logScripts(), missed: fc.array(fc.boolean(), { minLength: 2, maxLength: 6 }) }),
  holds({ script, missed }) {
    let position: Position = unread
    let strict = 0
    writeLog(script).messages.forEach((message, at) => {
      if (missed[at % missed.length] === true) return
      const next = fold(position, message).position
      if (next.provisional) {
        const [before, after] = [inForce(position).mode, inForce(next).mode]
        assert.ok(strictness[after] >= strictness[before], `${before} became ${after} by an uncertain reading`)
        if (strictness[next.state.mode] < strictness[before]) strict++
      }
      position = next
    })
    return strict > 0 ? 'held' : 'notExercised'
  },
}

/** `autonomy.loosen-by-log`, of fleets and of readers that miss messages. */
export const loosenByLog: Law<{ readonly first: FleetScript } | { readonly second: GappyReading }> = {
  ...eitherOf(loosenByFold, uncertain),
  story: (given) => ('first' in given ? fleetStory(given.first) : []),
}
