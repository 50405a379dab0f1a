import { strict as assert } from 'node:assert'

/** The `test` of vitest, jest or `node:test`. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown

/** One sentence of a port's contract, and how it is tried on a fresh `Subject`. */
export interface Clause<Subject> {
  readonly says: string
  holds(subject: Subject): Promise<void>
}

/** Waits until the condition holds, and fails when that takes longer than the deadline. */
export async function eventually(condition: () => boolean, what: string, deadlineMs = 5_000): Promise<void> {
  const until = performance.now() + deadlineMs
  while (!condition()) {
    assert.ok(performance.now() < until, `not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** What a promise rejects with; fails when it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => assert.fail(`expected a rejection, but it gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
}

/** A name that no other test has, so that stores that outlive a test do not mix them. */
export function freshName(what: string): string {
  names += 1
  return `${what}-${process.pid}-${performance.now().toString(36).replace('.', '')}-${names}`
}

let names = 0
