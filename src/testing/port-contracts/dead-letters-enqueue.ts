import { strict as assert } from 'node:assert'
import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import type { LetterDraft } from '../../ports/dead-letters.ts'
import { rejectionOf } from './contract.ts'
import { type DeadLettersClause, draft } from './dead-letters-clause.ts'
import { hostileValues } from '../hostile-values.ts'

/** What the port says of taking a letter in, and of having it afterwards. */
export const enqueueClauses: readonly DeadLettersClause[] = [
  {
    says: 'what is enqueued is there, with what the draft said and what the store adds',
    async holds(queue) {
      const error = Object.assign(new TypeError('fetch failed'), { code: 'ECONNREFUSED' })
      const attempts = [
        { at: 1_000, error: 'first' },
        { at: 2_000, error: 'second' },
        { at: 3_000, error: 'third' },
      ]
      const payload = { to: ['ann@acme.example'], nested: { n: 1.5, yes: true, none: null } }
      const letter = await queue.enqueue({ ...draft('m1'), payload, error, attempts, id: 'one' })
      const { createdAt, updatedAt, error: stored, ...rest } = letter
      assert.deepEqual(rest, {
        id: 'acme.one',
        organization: 'acme',
        channel: 'email',
        messageId: 'm1',
        payload,
        errorType: 'connection',
        attempts,
        retryCount: 2,
        redriveCount: 0,
        parked: false,
        version: 1,
      })
      assert.deepEqual(
        { name: stored.name, message: stored.message, code: stored.code },
        { name: 'TypeError', message: 'fetch failed', code: 'ECONNREFUSED' },
      )
      assert.match(stored.stack ?? '', /^TypeError: fetch failed\n/)
      assert.equal(updatedAt, createdAt)
      assert.deepEqual(await queue.get('acme.one'), letter)
      assert.deepEqual(await queue.list(), { items: [letter] })
    },
  },
  {
    says: 'an id is the organization, percent-encoded so that the first dot ends it, and the id of the draft or a ULID',
    async holds(queue) {
      const given = await queue.enqueue({ ...draft('m'), organization: 'acme/eu.west 1%', id: 'a.b/c' })
      assert.equal(given.id, 'acme%2Feu%2Ewest%201%25.a.b/c')
      const made = [await queue.enqueue(draft('m')), await queue.enqueue(draft('m'))]
      for (const { id } of made) assert.match(id, /^acme\.[0-9A-HJKMNP-TV-Z]{26}$/)
      assert.notEqual(made[0]?.id, made[1]?.id)
    },
  },
  {
    says: 'what is not there is undefined, not an error',
    async holds(queue) {
      for (const id of ['acme.none', 'none', '', '.', 'acme.', '%', '\ud800'])
        assert.equal(await queue.get(id), undefined)
      assert.deepEqual(await queue.list(), { items: [] })
      assert.equal(await queue.count(), 0)
    },
  },
  {
    says: 'enqueueing is idempotent by id: the letter that is there stays as it is, and is given back',
    async holds(queue) {
      const first = await queue.enqueue({ ...draft('m1'), id: 'same' })
      assert.deepEqual(await queue.enqueue({ ...draft('m2'), channel: 'slack', id: 'same' }), first)
      const racing = Array.from({ length: 20 }, (_, i) => queue.enqueue({ ...draft(`race-${i}`), id: 'race' }))
      const [winner, ...others] = await Promise.all(racing)
      for (const other of others) assert.deepEqual(other, winner)
      assert.deepEqual(await queue.get('acme.race'), winner)
      assert.equal(await queue.count(), 2)
    },
  },
  {
    says: 'organizations do not see each other, also with the same ids and with names that contain each other',
    async holds(queue) {
      const names = ['acme', 'acme.x', 'ACME', 'a', '*', '{acme}', 'acme:email', 'émile']
      for (const organization of names) await queue.enqueue({ ...draft(organization), organization, id: 'x' })
      for (const organization of names) {
        const { items } = await queue.list({ organization })
        assert.deepEqual(
          items.map(({ messageId }) => messageId),
          [organization],
        )
        assert.equal(await queue.count({ organization }), 1)
      }
      assert.equal(await queue.count(), names.length)
    },
  },
  {
    says: 'an error that was classified before keeps its type, name, message and code, and the stack of what was thrown',
    async holds(queue) {
      const cause = new Error('550 no such user')
      const facts = { name: 'Error', message: '550 no such user', code: 'EENVELOPE' }
      const error = { ...facts, type: 'rejected', retryable: false, cause }
      const letter = await queue.enqueue({ ...draft('m'), error })
      assert.equal(letter.errorType, 'rejected')
      assert.deepEqual(letter.error, { ...facts, stack: letter.error.stack })
      assert.match(letter.error.stack ?? '', /^Error: 550 no such user\n/)
    },
  },
  {
    says: 'any error is taken, and its causes are kept with its stack',
    async holds(queue) {
      for (const [what, error] of Object.entries(hostileValues())) {
        const letter = await queue.enqueue({ ...draft(what), error })
        assert.equal(typeof letter.error.name, 'string')
        assert.equal(typeof letter.error.message, 'string')
        assert.deepEqual(await queue.get(letter.id), letter)
      }
      const ring = hostileValues()['a ring of causes']
      const { error } = await queue.enqueue({ ...draft('ring'), error: ring })
      assert.match(error.stack ?? '', /a ring of causes[^]*caused by: Error: the other half/)
    },
  },
  {
    says: 'any payload is taken, as JSON as well as it can be',
    async holds(queue) {
      for (const [what, payload] of Object.entries(hostileValues())) {
        const letter = await queue.enqueue({ ...draft(what), payload })
        assert.deepEqual(await queue.get(letter.id), letter)
        assert.deepEqual(letter.payload, JSON.parse(JSON.stringify(letter.payload)))
      }
      const payload: unknown = JSON.parse('{"__proto__":{"polluted":true},"a":[1,"ü🚀",null]}')
      const { payload: stored } = await queue.enqueue({ ...draft('proto'), payload })
      assert.equal(JSON.stringify(stored), JSON.stringify(payload))
      assert.equal(Reflect.get({}, 'polluted'), undefined)
    },
  },
  {
    says: 'attempts that make no sense do not cost the letter',
    async holds(queue) {
      for (const [what, attempts] of Object.entries(hostileValues())) {
        const bad = { ...draft(what), attempts: attempts as LetterDraft['attempts'] & object }
        assert.deepEqual((await queue.enqueue(bad)).attempts, [])
        const [attempt] = (await queue.enqueue({ ...bad, attempts: [attempts as { at: number; error: string }] }))
          .attempts
        assert.ok(Number.isFinite(attempt?.at))
        assert.equal(typeof attempt?.error, 'string')
      }
    },
  },
  {
    says: 'what is done to a draft or to a letter afterwards does not reach the store',
    async holds(queue) {
      const payload = { list: [1] }
      const attempts = [{ at: 1, error: 'one' }]
      const letter = await queue.enqueue({ ...draft('m'), payload, attempts, id: 'one' })
      const before = structuredClone(letter)
      payload.list.push(2)
      attempts.push({ at: 2, error: 'two' })
      Reflect.set(letter.payload as object, 'list', 'changed')
      Reflect.set(letter.attempts, 0, { at: 9, error: 'changed' })
      Reflect.set(letter.error, 'message', 'changed')
      assert.deepEqual(await queue.get('acme.one'), before)
    },
  },
  {
    says: 'a draft that does not say whose it is is refused with the path of what is wrong, and nothing is stored',
    async holds(queue) {
      const bad: readonly [path: string, draft: unknown][] = [
        ...[null, undefined, 'draft', 1].map((given): [string, unknown] => ['draft', given]),
        ...['', undefined, null, 1, 'x'.repeat(129), '\ud800'].flatMap((name): [string, unknown][] => [
          ['draft.organization', { ...draft('m'), organization: name }],
          ['draft.channel', { ...draft('m'), channel: name }],
          ['draft.messageId', { ...draft('m'), messageId: name }],
        ]),
        ...['', null, 1, 'x'.repeat(129)].map((id): [string, unknown] => ['draft.id', { ...draft('m'), id }]),
        ['draft.organization', hostileValues()['a proxy that throws']],
      ]
      for (const [path, given] of bad) {
        const refusal = await rejectionOf(queue.enqueue(given as LetterDraft))
        assert.ok(refusal instanceof ConfigError, String(refusal))
        assert.equal(refusal.path, path)
      }
      assert.equal(await queue.count(), 0)
    },
  },
  {
    says: 'an organization with `lettersMax` letters is refused another, while a known id and other organizations are not',
    bounds: { lettersMax: 3 },
    async holds(queue) {
      for (const id of ['1', '2', '3']) await queue.enqueue({ ...draft(id), id })
      const refusal = await rejectionOf(queue.enqueue({ ...draft('4'), id: '4' }))
      assert.ok(refusal instanceof OverCapacityError, String(refusal))
      assert.deepEqual([refusal.bound, refusal.max], ['lettersMax', 3])
      assert.equal((await queue.enqueue({ ...draft('3'), id: '3' })).id, 'acme.3')
      await queue.enqueue({ ...draft('1'), organization: 'other' })
      assert.deepEqual([await queue.count({ organization: 'acme' }), await queue.count()], [3, 4])
    },
  },
  {
    says: 'a payload of `bodyBytesMax` is taken, and a larger one refused: bytes of a text, of data, of the JSON of the rest',
    bounds: { bodyBytesMax: 1_000 },
    async holds(queue) {
      const largest = ['x'.repeat(1_000), 'ü'.repeat(500), '"'.repeat(1_000), new Uint8Array(1_000), ['x'.repeat(996)]]
      for (const payload of largest) await queue.enqueue({ ...draft('m'), payload })
      const larger = ['x'.repeat(1_001), 'ü'.repeat(501), new Uint8Array(1_001), ['x'.repeat(997)], ['ü'.repeat(499)]]
      for (const payload of larger) {
        const refusal = await rejectionOf(queue.enqueue({ ...draft('m'), payload }))
        assert.ok(refusal instanceof OverCapacityError, String(refusal))
        assert.deepEqual([refusal.bound, refusal.max], ['bodyBytesMax', 1_000])
      }
      assert.equal(await queue.count(), largest.length)
    },
  },
]
