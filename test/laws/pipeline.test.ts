import { concatMap, filter, finalize, of, type OperatorFunction } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { deliver, type Delivered, type DeliverOptions } from '../../src/streams/pipeline/deliver.ts'
import { examineLaw, proveLaw } from '../../src/testing/law.ts'
import { deliverLawsOf, pipelineLaws } from '../../src/testing/laws/pipeline.ts'
import { unshrunk } from './unshrunk.ts'

test.each(Object.values(pipelineLaws).map((law) => [law.name, law.says, law] as const))(
  '%s: %s',
  async (_name, _says, law) => {
    expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
  },
)

describe('the laws of pipelines find', () => {
  /** What is done to the options, and to what comes out. */
  type Plant = <T, R>(
    options: DeliverOptions<T, R>,
    surroundings: Parameters<typeof deliver>[1],
  ) => OperatorFunction<T, Delivered<T, R>>

  const plants: readonly (readonly [string, keyof ReturnType<typeof deliverLawsOf>, Plant])[] = [
    [
      'an outcome that is told twice',
      'order',
      (options, around) => (source) =>
        deliver(
          options,
          around,
        )(source).pipe(concatMap((outcome) => (outcome.status === 'failed' ? of(outcome, outcome) : of(outcome)))),
    ],
    [
      'an item that vanishes when it is called off',
      'order',
      (options, around) => (source) =>
        deliver(
          options,
          around,
        )(source).pipe(filter((outcome) => outcome.status !== 'refused' || outcome.reason !== 'aborted')),
    ],
    ['an order that is not kept', 'order', (options, around) => deliver({ ...options, ordered: false }, around)],
    [
      'one place too many',
      'bounded',
      (options, around) => deliver({ ...options, concurrency: (options.concurrency ?? 1) + 1 }, around),
    ],
    [
      'more taken than there is room for',
      'bounded',
      (options, around) => deliver({ ...options, maxWaiting: (options.maxWaiting ?? 0) + 1 }, around),
    ],
    [
      'a timer that is left',
      'clean',
      (options, around) => (source) =>
        deliver(options, around)(source).pipe(finalize(() => around?.clock?.setTimeout(() => {}, 1e8))),
    ],
    ['a drain that is not heard', 'clean', (options, around) => deliver({ ...options, signal: undefined }, around)],
    [
      'a letter that nobody is told of',
      'oneOutcome',
      (options, around) => (source) =>
        deliver(
          options,
          around,
        )(source).pipe(
          concatMap((outcome) =>
            outcome.status === 'deadLettered'
              ? of({ ...outcome, status: 'failed' as const, letterId: undefined })
              : of(outcome),
          ),
        ),
    ],
    [
      'one attempt too many',
      'oneOutcome',
      (options, around) => deliver({ ...options, retry: { ...options.retry, maxAttempts: 4 } }, around),
    ],
  ]

  test.each(plants)('%s (%s)', async (_what, law, plant) => {
    const report = await examineLaw(unshrunk(deliverLawsOf(plant)[law]), { runs: 500, seed: 1 })
    expect(report.status, report.message).toBe('failed')
  })
})
