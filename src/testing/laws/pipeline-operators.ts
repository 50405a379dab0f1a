import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { map } from 'rxjs'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { memoryLimiter } from '../../adapters/memory/limiter.ts'
import { classify } from '../../kernel/classify.ts'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import type { LetterSink } from '../../streams/dead-letters/write-dead-letter.ts'
import { deadLetter } from '../../streams/pipeline/dead-letter.ts'
import { deliver, type Delivered } from '../../streams/pipeline/deliver.ts'
import { rateLimit } from '../../streams/pipeline/rate-limit.ts'
import { retryWithJitter } from '../../streams/pipeline/retry-with-jitter.ts'
import { withBreaker } from '../../streams/pipeline/with-breaker.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import {
  assertAllCame,
  assertNothingLeft,
  type OperatorScript,
  operatorScripts,
  type OperatorSubject,
  type PipelineItem,
  playOperator,
} from './pipeline-operators-play.ts'

interface OperatorCase extends OperatorScript {
  readonly operator: string
}

/** The operators of the library, each in a small world of its own. */
export const operatorSubjects: Readonly<Record<string, OperatorSubject>> = Object.freeze({
  retryWithJitter: {
    passesAll: true,
    operate: (source$, { clock, signal }) =>
      source$.pipe(retryWithJitter({ clock, signal, random: seededRandom(1), baseDelayMs: 20, deadlineMs: 5_000 })),
  },
  withBreaker: {
    passesAll: true,
    operate: (source$, { clock }) => source$.pipe(withBreaker(breakerOn(clock))),
  },
  rateLimit: {
    passesAll: true,
    operate: (source$, { clock }) => source$.pipe(rateLimit({ ...limitOn(clock), maxWaiting: 100 })),
  },
  'rateLimit, refusing': {
    passesAll: false,
    operate: (source$, { clock }) =>
      source$.pipe(rateLimit({ ...limitOn(clock), onLimited: 'refuse', onRefused: () => {}, maxWaiting: 3 })),
  },
  deadLetter: {
    passesAll: true,
    operate: (source$) =>
      source$.pipe(
        map(outcomeOf),
        deadLetter(letterSink(), ({ number }) => ({ ...draft, messageId: `m-${number}` })),
        map(({ item }) => item),
      ),
  },
  deliver: {
    passesAll: true,
    operate: (source$, { clock, signal }) =>
      source$.pipe(
        deliver({ to: (item, call) => work(clock, item, call.signal), key: keyOf, ordered: true, signal, clock }),
        map(({ item }) => item),
      ),
  },
})

/**
 * `pipeline.clean` and `pipeline.terminal`, for these operators.
 */
export function operatorLawsOf(subjects: Readonly<Record<string, OperatorSubject>>): {
  readonly clean: Law<OperatorCase>
  readonly terminal: Law<OperatorCase>
} {
  const cases = fc
    .tuple(fc.constantFrom(...Object.keys(subjects)), operatorScripts)
    .map(([operator, script]) => ({ operator, ...script }))
  const play = async (given: OperatorCase) => {
    const subject = subjects[given.operator]
    if (subject === undefined) throw new Error(`no operator ${given.operator}`)
    return { subject, played: await playOperator(subject, given) }
  }
  return {
    clean: {
      name: 'pipeline.clean',
      says: 'left at any step, failed or completed, an operator leaves no timer, no listener and no subscription, and emits nothing more',
      cases,
      async holds(given) {
        const { played } = await play(given)
        assertNothingLeft(played)
        return played.left || played.ends.length > 0 ? 'held' : 'notExercised'
      },
    },
    terminal: {
      name: 'pipeline.terminal',
      says: 'what is not left ends exactly once, also when a source emits from within an emission; then everything has come, in the order of its key',
      cases,
      async holds(given) {
        const { subject, played } = await play(given)
        const { ends, left, late, reentered } = played
        assert.ok(ends.length <= 1, `it ended ${ends.length} times`)
        assert.equal(late, 0, 'emissions after its end')
        if (left) return 'notExercised'
        assert.equal(ends.length, 1, 'it did not end')
        if (subject.passesAll && ends[0] === 'completed') assertAllCame(played)
        return reentered ? 'held' : 'notExercised'
      },
    },
  }
}

export const operatorLaws: ReturnType<typeof operatorLawsOf> = Object.freeze(operatorLawsOf(operatorSubjects))

const keyOf = ({ key }: PipelineItem): string => key

/** Never trips, and has a timer for each call. */
function breakerOn(clock: VirtualClock) {
  const random = seededRandom(1)
  const options = { failureThreshold: false, timeoutMs: 10_000 } as const
  const log = memoryLog({ clock, random })
  const [instance] = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options }).instances
  if (instance === undefined) throw new Error('no instance')
  return instance.breaker('feed')
}

function limitOn(clock: VirtualClock) {
  const limiter = memoryLimiter({ limits: { email: { limit: 2, windowMs: 100 } }, clock })
  return { limiter, names: 'email', key: keyOf, clock }
}

function outcomeOf(item: PipelineItem): Delivered<PipelineItem, string> {
  if (item.key === 'a') return { status: 'delivered', value: 'ok', attempts: 1, durationMs: 0, item }
  return { status: 'failed', error: classify(new Error('no such mailbox')), attempts: 1, durationMs: 0, item }
}

const draft = { organization: 'acme', channel: 'email', payload: {} }

/** Takes a while, as many turns as a letter's number says, and cannot be asked every third time. */
function letterSink(): LetterSink {
  let asked = 0
  return {
    async enqueue({ messageId }) {
      const number = (asked += 1)
      for (let turn = 0; turn < (number * 7) % 5; turn += 1) await Promise.resolve()
      if (number % 3 === 0) throw new UnavailableError('letters', 'they are away')
      return { id: `acme.${messageId}` } as Letter
    },
  }
}

async function work(clock: VirtualClock, { key, number }: PipelineItem, signal: AbortSignal): Promise<void> {
  await clock.sleep((number * 13) % 50, { signal })
  if (key === 'b' && number % 3 === 0) throw Object.assign(new Error('no such mailbox'), { status: 404 })
}
