import { Observable, type OperatorFunction, Subject, type Subscriber, takeUntil } from 'rxjs'
import { z } from 'zod'
import type { ClassifiedError } from '../../kernel/classify.ts'
import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import { count, hasMethods, parseOptions, shown } from '../../kernel/options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import { type Logger, quietly, silentLogger } from '../../ports/logger.ts'
import { type Description, type LetterSink, writeDeadLetter } from '../dead-letters/write-dead-letter.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'
import { Chain, type Chained } from './chain.ts'
import type { Delivered } from './deliver-options.ts'

export interface DeadLetterOptions extends Pick<TimeAndChance, 'clock'> {
  /** Outcomes that may wait at the same time for a letter, their own or that of one before them; at least 1. Default 10,000. */
  readonly maxWaiting?: number | undefined
  /** Hears of letters that could not be written. Default: nobody. */
  readonly logger?: Logger | undefined
}

export const deadLetterDefaults: { readonly maxWaiting: number } = Object.freeze({ maxWaiting: 10_000 })

/**
 * Writes a letter for each outcome that is `failed`, and passes it on as `deadLettered` once the letter is stored; as
 * `failed`, as it was, when it cannot be: the describer throws, the store cannot be asked or is full. All others pass
 * unchanged, and all in their order.
 *
 * ```text
 *   outcomes           delivered  failed  delivered                  |
 *   queue                         (the letter is being written)
 *   deadLetter(…)      delivered                     deadLettered delivered |
 * ```
 * What comes behind a letter that is being written waits, and so do completing and an error of the source. Letters are
 * written at the same time. Past `maxWaiting` the source is left; what has come is passed on, and then it errors with
 * `OverCapacityError`. Unsubscribing ends everything but the writing of letters that has begun.
 *
 * `deliver` with `deadLetter` does the same without this operator, and its letters hold every attempt; here a letter holds
 * the last one, where `describe` does not say more.
 * @throws ConfigError
 */
export function deadLetter<T, R>(
  queue: LetterSink,
  describe: (item: T, error: ClassifiedError) => Description,
  options: DeadLetterOptions = {},
): OperatorFunction<Delivered<T, R>, Delivered<T, R>> {
  if (!hasMethods(queue, ['enqueue'])) throw new ConfigError('queue', 'expected a queue of dead letters')
  if (typeof describe !== 'function')
    throw new ConfigError('describe', `expected a function (given: ${shown(describe)})`)
  const given = parseOptions(schema, options, 'deadLetter')
  const plan: Plan<T> = {
    queue,
    describe,
    maxWaiting: given.maxWaiting ?? deadLetterDefaults.maxWaiting,
    logger: quietly(given.logger ?? silentLogger),
    clock: given.clock ?? systemClock,
  }
  return (outcomes$) =>
    new Observable((subscriber) => {
      const stop$ = new Subject<void>()
      const line = newLine(plan, subscriber, () => stop$.next())
      subscriber.add(() => stop$.next())
      // By `takeUntil`, a source that emits while it is being subscribed to can be stopped, too.
      outcomes$.pipe(takeUntil(stop$)).subscribe(line)
    })
}

const schema: z.ZodType<DeadLetterOptions> = z.strictObject({
  maxWaiting: count.optional(),
  logger: z.custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected a logger').optional(),
  clock: timeAndChanceFields.clock,
})

interface Plan<T> {
  readonly queue: LetterSink
  readonly describe: (item: T, error: ClassifiedError) => Description
  readonly maxWaiting: number
  readonly logger: Logger
  readonly clock: Clock
}

/** Where an outcome waits for those before it, and for its own letter. */
interface Place<O> extends Chained<Place<O>> {
  outcome: O
  isWritten: boolean
}

/** One subscription: outcomes in their order. */
function newLine<T, R>(plan: Plan<T>, subscriber: Subscriber<Delivered<T, R>>, stop: () => void) {
  const line = new Chain<Place<Delivered<T, R>>>()
  let end: (() => void) | undefined

  const passOn = (): void => {
    for (let { first } = line; first?.isWritten === true; { first } = line) {
      line.remove(first)
      subscriber.next(first.outcome)
    }
    if (line.size === 0) end?.()
  }
  const write = async (place: Place<Delivered<T, R>>): Promise<void> => {
    place.outcome = await afterWriting(plan, place.outcome)
    place.isWritten = true
    passOn()
  }
  const endWith = (ending: () => void): void => {
    end ??= ending
    if (line.size === 0) end()
  }
  return {
    next(outcome: Delivered<T, R>): void {
      const isWritten = outcome.status !== 'failed'
      if (isWritten && line.size === 0) return subscriber.next(outcome)
      const place: Place<Delivered<T, R>> = {
        outcome,
        isWritten,
        chain: undefined,
        before: undefined,
        after: undefined,
      }
      line.push(place)
      if (!isWritten) void write(place)
      if (line.size <= plan.maxWaiting) return
      endWith(() => subscriber.error(new OverCapacityError('deadLetter', 'maxWaiting', plan.maxWaiting)))
      stop()
    },
    error(error: unknown): void {
      endWith(() => subscriber.error(error))
    },
    complete(): void {
      endWith(() => subscriber.complete())
    },
  }
}

/** The outcome as it is when its letter is stored, or could not be. */
async function afterWriting<T, R>(plan: Plan<T>, outcome: Delivered<T, R>): Promise<Delivered<T, R>> {
  if (outcome.status !== 'failed') return outcome
  const { item, error } = outcome
  const letterId = await writeDeadLetter(
    { deadLetters: plan.queue, logger: plan.logger },
    () => plan.describe(item, error),
    { error, attemptErrors: [{ at: plan.clock.now(), error }] },
  )
  return letterId === undefined ? outcome : { ...outcome, status: 'deadLettered', letterId }
}
