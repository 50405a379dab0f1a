import { Observable, type Subscriber } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { examineLaw } from '../../../src/testing/law.ts'
import { operatorLawsOf } from '../../../src/testing/laws/pipeline-operators.ts'
import type { OperatorSubject } from '../../../src/testing/laws/pipeline-operators-play.ts'
import { unshrunk } from '../../laws/unshrunk.ts'

describe('the laws of operators', () => {
  test.each<[string, 'clean' | 'terminal', OperatorSubject['operate']]>([
    [
      'a timer that is left',
      'clean',
      (source$, { clock }) =>
        new Observable((subscriber) => {
          clock.setTimeout(() => {}, 1_000_000)
          return source$.subscribe(subscriber)
        }),
    ],
    [
      'a source that is not left',
      'clean',
      (source$) => new Observable((subscriber) => void source$.subscribe(each(subscriber))),
    ],
    [
      'a listener that is left',
      'clean',
      (source$, { signal }) =>
        new Observable((subscriber) => {
          signal.addEventListener('abort', () => subscriber.complete())
          return source$.subscribe(subscriber)
        }),
    ],
    [
      'an end that is kept back',
      'terminal',
      (source$) => new Observable((subscriber) => source$.subscribe({ ...each(subscriber), complete: () => {} })),
    ],
    [
      'an item that overtakes another',
      'terminal',
      (source$) =>
        new Observable((subscriber) => {
          let isEmitting = false
          return source$.subscribe({
            ...each(subscriber),
            next(item) {
              if (isEmitting) return
              isEmitting = true
              subscriber.next(item)
              isEmitting = false
            },
          })
        }),
    ],
  ])('find %s', async (_what, name, operate) => {
    const law = operatorLawsOf({ planted: { operate, passesAll: true } })[name]
    expect(await examineLaw(unshrunk(law), { runs: 500 })).toMatchObject({ status: 'failed' })
  })
})

function each<T>(subscriber: Subscriber<T>) {
  return {
    next: (item: T) => subscriber.next(item),
    error: (error: unknown) => subscriber.error(error),
    complete: () => subscriber.complete(),
  }
}
