import { strict as assert } from 'node:assert'
import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import { rejectionOf } from './contract.ts'
import { type DeadLettersClause, draft } from './dead-letters-clause.ts'

const hourMs = 3_600_000

/** What the port says of putting back letters that were taken out of a queue. */
export const restoreClauses: readonly DeadLettersClause[] = [
  {
    says: 'a letter is put back as it was, is found by what it is, and is there once however often it comes',
    async holds(queue) {
      const letter = await storied(queue)
      const older = { ...letter, id: 'acme.two', createdAt: letter.createdAt - hourMs }
      assert.equal(await queue.restore(older), 'added')
      assert.deepEqual(await queue.get('acme.two'), older)
      assert.deepEqual((await queue.list({ channel: 'slack', parked: true })).items, [letter, older])
      assert.equal(await queue.count({ until: older.createdAt }), 1)
      assert.equal(await queue.restore({ ...older, channel: 'email' }), 'present')
      assert.deepEqual(await queue.get('acme.two'), older)
    },
  },
  {
    says: 'a letter that was purged within a day is not put back, and that is told',
    async holds(queue) {
      const letter = await storied(queue)
      await queue.purge([letter.id])
      assert.equal(await queue.restore(letter), 'gone')
      assert.equal(await queue.get(letter.id), undefined)
    },
  },
  {
    says: 'what is no letter is not put back',
    bounds: { bodyBytesMax: 100 },
    async holds(queue) {
      const letter = await queue.enqueue(draft('m'))
      const { payload: _, ...empty } = letter
      const wrong = [
        null,
        empty,
        { ...letter, id: 'globex.1' },
        { ...letter, id: 'acme.' },
        { ...letter, channel: '' },
        { ...letter, errorType: 'bad' },
        { ...letter, attempts: 3 },
        { ...letter, version: 0 },
        { ...letter, createdAt: Number.NaN },
        { ...letter, parked: 'yes' },
        { ...letter, error: { name: 'Error', message: 'x'.repeat(10_000) } },
        { ...letter, mine: true },
      ]
      for (const each of wrong) assert.ok((await rejectionOf(queue.restore(each as Letter))) instanceof ConfigError)
      const long = queue.restore({ ...letter, id: 'acme.two', payload: 'x'.repeat(101) })
      assert.ok((await rejectionOf(long)) instanceof OverCapacityError)
      assert.equal(await queue.count(), 1)
    },
  },
]

/** A letter to which everything has happened that may. */
async function storied(queue: DeadLetters): Promise<Letter> {
  const attempts = [
    { at: 1_000, error: 'first' },
    { at: 2_000, error: 'second' },
  ]
  const { id } = await queue.enqueue({ ...draft('m'), id: 'one', attempts })
  await queue.edit(id, { channel: 'slack', payload: { to: 'ann' } })
  await queue.park([id])
  const letter = await queue.get(id)
  assert.ok(letter !== undefined)
  return letter
}
