import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { Law } from '../law.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import {
  anyFilter,
  anyStep,
  errors,
  type Expected,
  idOf,
  type IndexScenario,
  isList,
  newModel,
  organizationOf,
  retentionDays,
  type Step,
} from './dead-letters-model.ts'
import { type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'

/** `deadLetters.index` */
export function indexLaw(subject: DeadLettersSubject): Law<IndexScenario> {
  return {
    name: 'deadLetters.index',
    says: 'counts, pages and stats agree with the letters, whatever was done to them',
    cases: fc.record({
      seed: fc.nat(),
      steps: fc.array(anyStep, { minLength: 1, maxLength: 25, size: 'max' }),
      filters: fc.array(anyFilter, { minLength: 1, maxLength: 6 }),
    }),
    async holds({ seed, steps, filters }) {
      const clock = virtualClock({ startAt: 1_000_000 })
      const queue = queueOver(subject, subject.letters(clock), { clock, seed, retentionDays, maxRedrives: 2 })
      const model = newModel(clock)
      let changes = 0
      for (const step of steps) {
        await clock.runUntil(act(queue, step, clock))
        changes += model.act(step)
      }
      for (const filter of [{}, { channel: 'email' }, ...filters])
        await clock.runUntil(compare(queue, filter, model.find(filter)))
      return changes > 0 && model.find({}).length > 0 ? 'held' : 'notExercised'
    },
  }
}

async function act(queue: DeadLetters, step: Step, clock: VirtualClock): Promise<unknown> {
  switch (step.does) {
    case 'enqueue': {
      const { message, ...facts } = errors[step.error]
      const error = Object.assign(new Error(message), facts)
      return queue.enqueue(draftOf(step.of, { organization: organizationOf(step.of), channel: step.channel, error }))
    }
    case 'edit':
      return queue.edit(idOf(step.of), { channel: step.channel })
    case 'redrive':
      return redrive(queue, step)
    case 'wait':
      return clock.sleep(step.ms)
    default:
      return queue[step.does](isList(step.of) ? step.of.map(idOf) : step.of)
  }
}

function redrive(queue: DeadLetters, { of, error }: Extract<Step, { does: 'redrive' }>): Promise<void> {
  const to = async (): Promise<void> => {
    if (error === undefined) return
    const { message, ...facts } = errors[error]
    throw Object.assign(new Error(message), facts)
  }
  return new Promise((resolve, reject) =>
    queue.redrive(of.map(idOf), { to }).subscribe({ complete: resolve, error: reject }),
  )
}

async function compare(
  queue: DeadLetters,
  filter: LetterFilter,
  expected: readonly [string, Expected][],
): Promise<void> {
  const listed: string[] = []
  let last = Infinity
  let cursor: string | undefined
  do {
    const page = await queue.list(filter, { limit: 3, cursor })
    for (const { id, createdAt } of page.items) {
      assert.ok(createdAt <= last, 'a listing is not newest first')
      last = createdAt
      listed.push(id)
    }
    cursor = page.next
  } while (cursor !== undefined)
  assert.deepEqual(listed.toSorted(), expected.map(([id]) => id).toSorted())
  assert.equal(await queue.count(filter), expected.length)
  const { total, parked, rows } = await queue.stats(filter)
  assert.deepEqual([total, parked], [expected.length, expected.filter(([, letter]) => letter.parked).length])
  const key = (row: Pick<Expected, 'organization' | 'channel'> & { readonly errorType: string }): string =>
    `${row.organization} ${row.channel} ${row.errorType}`
  const counts = new Map<string, number>()
  for (const [, letter] of expected) counts.set(key(letter), (counts.get(key(letter)) ?? 0) + 1)
  assert.deepEqual(new Map(rows.map((row) => [key(row), row.count])), counts)
}
