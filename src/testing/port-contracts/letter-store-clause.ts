import { strict as assert } from 'node:assert'
import type { LetterStore } from '../../ports/letter-store.ts'
import { type LetterParts, writeLetter } from '../../ports/letter.ts'
import type { RedrivePlan, RedriveWork, Taken } from '../../ports/redrive-jobs.ts'
import type { Clause } from './contract.ts'
import { draft } from './dead-letters-clause.ts'

export type LetterStoreClause = Clause<LetterStore>

export const bounds = { lettersMax: 1_000_000 }

/** A letter of `acme`, created at an instant; by default now. */
export function letter(id: string, changes: Partial<LetterParts['header']> = {}): LetterParts {
  const newId = (): string => id
  const parts = writeLetter({ ...draft(id), id }, { at: Date.now(), newId, bodyBytesMax: 1_000_000 })
  return { ...parts, header: { ...parts.header, ...changes } }
}

/** The letter in its next version. */
export function nextOf({ header, body }: LetterParts, changes: Partial<LetterParts['header']> = {}): LetterParts {
  return { header: { ...header, version: header.version + 1, ...changes }, body }
}

export function plan(id: string, changes: Partial<RedrivePlan> = {}): RedrivePlan {
  const usual = { organization: 'acme', of: { filter: { organization: 'acme' } }, total: 100, maxRedrives: 5 }
  return { id: `acme.${id}`, ...usual, startedAt: Date.now(), ...changes }
}

/** Letters with these ids, and a job that has them all. */
export async function jobOf(
  store: LetterStore,
  name: string,
  ids: readonly string[],
  changes: Partial<RedrivePlan> = {},
): Promise<string> {
  for (const id of ids) await store.add(letter(id), bounds)
  const job = plan(name, { total: ids.length, ...changes })
  await store.jobs.start(job)
  const letters = ids.map((id) => `acme.${id}`)
  assert.equal(await store.jobs.feed(job.id, undefined, letters, undefined), true)
  return job.id
}

/** Takes letters. */
export async function takeFrom(store: LetterStore, job: string, count: number, leaseMs = 60_000): Promise<Taken> {
  const taken = await store.jobs.take(job, { by: 'worker', count, leaseMs })
  return taken ?? assert.fail('there is no such job')
}

export function idsOf(work: readonly RedriveWork[]): readonly string[] {
  return work.map(({ letter: { header } }) => header.id)
}

/** The only one. */
export function one(work: readonly RedriveWork[]): RedriveWork {
  const [first, ...others] = work
  assert.equal(others.length, 0)
  return first ?? assert.fail('nothing was taken')
}
