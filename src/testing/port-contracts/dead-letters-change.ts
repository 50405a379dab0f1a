import { strict as assert } from 'node:assert'
import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import { rejectionOf } from './contract.ts'
import { type DeadLettersClause, draft } from './dead-letters-clause.ts'

/** What the port says of changing letters, and of removing them. */
export const changeClauses: readonly DeadLettersClause[] = [
  {
    says: 'an edit changes what is sent and on which channel, counts as a version, and keeps what stood before',
    async holds(queue) {
      const before = await queue.enqueue({ ...draft('m'), id: 'one', payload: { to: 'anne' } })
      const first = await queue.edit(before.id, { payload: { to: 'ann' } })
      const second = await queue.edit(before.id, { channel: 'slack', payload: { to: 'ann' } })
      assert.deepEqual(await queue.edit(before.id, { channel: 'slack' }), second)
      const { edits, updatedAt, ...rest } = second ?? before
      const { updatedAt: _, ...unchanged } = before
      assert.deepEqual(rest, { ...unchanged, channel: 'slack', payload: { to: 'ann' }, version: 3 })
      assert.ok(updatedAt >= before.updatedAt)
      assert.deepEqual(edits, [
        { at: first?.updatedAt, version: 1, payload: { to: 'anne' } },
        { at: updatedAt, version: 2, channel: 'email' },
      ])
      assert.deepEqual(await queue.get(before.id), second)
      assert.deepEqual([await queue.count({ channel: 'email' }), await queue.count({ channel: 'slack' })], [0, 1])
    },
  },
  {
    says: 'an edit for a version that the letter has no more is refused, and of racing ones for the same version one wins',
    async holds(queue) {
      const { id } = await queue.enqueue(draft('m'))
      const racing = Array.from({ length: 10 }, (_, n) => queue.edit(id, { payload: n }, { version: 1 }))
      const results = await Promise.allSettled(racing)
      const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
      assert.equal(refusals.length, 9)
      for (const refusal of refusals) assert.ok(refusal instanceof ConfigError && refusal.path === 'version')
      assert.equal((await queue.get(id))?.version, 2)
    },
  },
  {
    says: 'racing edits without a version are all made, and the newest 10 of what they replaced are kept',
    async holds(queue) {
      const { id } = await queue.enqueue({ ...draft('m'), payload: 'first' })
      await Promise.all(Array.from({ length: 12 }, (_, n) => queue.edit(id, { payload: n })))
      const letter = await queue.get(id)
      assert.equal(letter?.version, 13)
      assert.deepEqual(
        letter.edits?.map(({ version }) => version),
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      )
    },
  },
  {
    says: 'an edit of what is not there is undefined, and one that cannot be meant is refused and changes nothing',
    bounds: { bodyBytesMax: 1_000 },
    async holds(queue) {
      for (const id of ['acme.none', '', 'x']) assert.equal(await queue.edit(id, { payload: 1 }), undefined)
      const letter = await queue.enqueue(draft('m'))
      for (const [path, change] of [
        ['change.channel', { channel: '' }],
        ['change.chanel', { chanel: 'slack' }],
        ['change', null],
      ] as const) {
        const refusal = await rejectionOf(queue.edit(letter.id, change as object))
        assert.ok(refusal instanceof ConfigError, String(refusal))
        assert.equal(refusal.path, path)
      }
      assert.ok((await rejectionOf(queue.edit(letter.id, { payload: 'x'.repeat(1_001) }))) instanceof OverCapacityError)
      assert.deepEqual(await queue.get(letter.id), letter)
    },
  },
  {
    says: 'letters are parked and unparked by ids or by a filter, which says how many it changed; filters follow',
    async holds(queue) {
      const ids: string[] = []
      for (let n = 0; n < 6; n++) ids.push((await queue.enqueue({ ...draft(`m${n}`), id: String(n) })).id)
      await queue.enqueue({ ...draft('m'), organization: 'other', id: 'x' })
      assert.equal(await queue.park([...ids.slice(0, 2), 'acme.none', 'nonsense']), 2)
      assert.equal(await queue.park(ids.slice(0, 3)), 1)
      assert.deepEqual([await queue.count({ parked: true }), await queue.count({ parked: false })], [3, 4])
      assert.equal(await queue.park({ organization: 'acme' }), 3)
      assert.deepEqual((await queue.list({ parked: false })).items.map(idOf), ['other.x'])
      assert.equal(await queue.park({ organization: 'acme' }), 0)
      assert.equal(await queue.unpark({ organization: 'acme', channel: 'slack' }), 0)
      assert.equal(await queue.unpark({}), 6)
      assert.equal(await queue.count({ parked: true }), 0)
      const letter = await queue.get(ids[0] ?? '')
      assert.deepEqual([letter?.parked, letter?.version], [false, 3])
    },
  },
  {
    says: 'a purge removes letters by ids or by a filter, parked ones too; a dry run says how many and removes none',
    async holds(queue) {
      for (let n = 0; n < 6; n++)
        await queue.enqueue({ ...draft(`m${n}`), id: String(n), channel: n < 4 ? 'email' : 'slack' })
      await queue.enqueue({ ...draft('m'), organization: 'other', id: 'x' })
      await queue.park(['acme.0'])
      assert.equal(await queue.purge({ channel: 'email' }, { dryRun: true }), 5)
      assert.equal(await queue.purge(['acme.0', 'acme.none'], { dryRun: true }), 1)
      assert.equal(await queue.count(), 7)
      assert.equal(await queue.purge({ organization: 'acme', channel: 'email' }), 4)
      assert.equal(await queue.purge(['acme.4', 'acme.0', 'nonsense']), 1)
      assert.deepEqual((await queue.list()).items.map(idOf).toSorted(), ['acme.5', 'other.x'])
      assert.equal(await queue.get('acme.4'), undefined)
      assert.equal(await queue.purge({}), 2)
      assert.deepEqual([await queue.count(), (await queue.stats()).total], [0, 0])
    },
  },
  {
    says: 'what was purged does not come back with a late replay, which is told that all is well',
    bounds: { lettersMax: 1 },
    async holds(queue) {
      await queue.enqueue({ ...draft('m'), id: 'one' })
      await queue.purge(['acme.one'])
      const late = await queue.enqueue({ ...draft('m'), id: 'one' })
      assert.deepEqual([late.id, late.messageId], ['acme.one', 'm'])
      assert.deepEqual([await queue.get('acme.one'), await queue.count()], [undefined, 0])
      await queue.enqueue({ ...draft('m'), id: 'two' })
    },
  },
  {
    says: 'stats are depth and age, in all and by organization, channel and error type, of what a filter finds',
    async holds(queue) {
      const timeout = Object.assign(new Error('too late'), { code: 'ETIMEDOUT' })
      const first = await queue.enqueue(draft('first'))
      for (let n = 0; n < 3; n++) await queue.enqueue({ ...draft(`m${n}`), channel: 'slack', error: timeout })
      await queue.enqueue({ ...draft('m'), organization: 'beta' })
      await queue.park([first.id])
      const { total, parked, spilled, oldestAgeMs, rows } = await queue.stats()
      assert.deepEqual([total, parked, spilled], [5, 1, 0])
      assert.ok(oldestAgeMs >= 0 && oldestAgeMs < 60_000)
      const counts = rows.map((row) => `${row.organization} ${row.channel} ${row.errorType} ${row.count}`)
      assert.deepEqual(counts.toSorted(), ['acme email unknown 1', 'acme slack timeout 3', 'beta email unknown 1'])
      assert.equal(Math.max(...rows.map((row) => row.oldestAgeMs)), oldestAgeMs)
      const totals = [
        { organization: 'acme' },
        { channel: 'slack' },
        { errorType: 'timeout' },
        { parked: true },
      ] as const
      for (const filter of totals) assert.equal((await queue.stats(filter)).total, await queue.count(filter))
      assert.deepEqual(await queue.stats({ text: 'nowhere' }), {
        total: 0,
        parked: 0,
        spilled: 0,
        oldestAgeMs: 0,
        rows: [],
      })
    },
  },
  {
    says: 'filters and ids that cannot be meant are refused before anything is changed',
    async holds(queue) {
      const { id } = await queue.enqueue(draft('m'))
      for (const letters of [{ organisation: 'acme' }, null, [id, 1], [null]]) {
        const given = letters as object as string[]
        for (const call of [queue.park(given), queue.unpark(given), queue.purge(given)])
          assert.ok((await rejectionOf(call)) instanceof ConfigError)
      }
      assert.equal((await queue.get(id))?.version, 1)
    },
  },
]

function idOf({ id }: Letter): string {
  return id
}
