import { deliver } from '../../streams/pipeline/deliver.ts'
import type { Law } from '../law.ts'
import { durableFirstLaw, killLaw } from './dead-letters-crash.ts'
import { indexLaw } from './dead-letters-index.ts'
import { redisDownLaw } from './dead-letters-outage.ts'
import { oneOutcomeLaw } from './dead-letters-outcome.ts'
import { poisonLaw } from './dead-letters-poison.ts'
import { redriveOnceLaw } from './dead-letters-redrive.ts'
import { type DeadLettersSubject, inMemory } from './dead-letters-subject.ts'
import { eitherOf } from './either-of.ts'
import { deliverLawsOf } from './pipeline.ts'

export type DeadLettersLawName =
  | 'oneOutcome'
  | 'kill'
  | 'durableFirst'
  | 'redriveOnce'
  | 'redisDown'
  | 'poison'
  | 'index'

/** The laws of dead letters, for any store and queue. */
export function deadLettersLawsOf(subject: DeadLettersSubject): Readonly<Record<DeadLettersLawName, Law>> {
  return {
    oneOutcome: oneOutcomeLaw(subject),
    kill: killLaw(subject),
    durableFirst: durableFirstLaw(subject),
    redriveOnce: redriveOnceLaw(subject),
    redisDown: redisDownLaw(subject),
    poison: poisonLaw(subject),
    index: indexLaw(subject),
  }
}

const own = deadLettersLawsOf(inMemory)

/** The first is tried on calls and on pipelines. */
export const deadLettersLaws: Readonly<Record<DeadLettersLawName, Law>> = Object.freeze({
  ...own,
  oneOutcome: eitherOf(own.oneOutcome, deliverLawsOf(deliver).oneOutcome),
})
