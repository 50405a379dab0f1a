import { UnavailableError } from 'switchgear'
import { expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { outcomeRecorder } from '../src/delivery/outcome-recorder.ts'
import { openAlertStore } from '../src/store/alert-store.ts'
import type { OutcomeRecord } from '../src/store/record-outcomes.ts'
import { startPglite } from './store/start-databases.ts'

const quiet = { info() {}, warn() {}, error() {} }
const outcomeOf = (id: string): OutcomeRecord => ({ id, state: 'delivered', attempts: [], reached: [] })

it('writes the outcomes of others where the database refuses one for good', async () => {
  const { database, end } = await startPglite()
  const store = await openAlertStore(database, { worker: 'worker-1' })
  await database.query(`INSERT INTO receivers
      (id, organization, alert_id, position, name, channel, destination, state, due_at, expires_at)
    SELECT 'm-' || i, 'acme', 'a-' || i, 0, 'ops', 'email', 'email:host', 'pending', 1, 9e12::bigint
    FROM generate_series(1, 100) AS i`)
  const refusals: unknown[] = []
  const recorder = outcomeRecorder(store, { ...quiet, error: (fields) => void refusals.push(fields) })

  // No date of the database is that far away.
  const refused = recorder.record({ ...outcomeOf('m-50'), state: 'pending', dueInMs: 1e300 })
  const ids = Array.from({ length: 100 }, (_, index) => `m-${index + 1}`).filter((id) => id !== 'm-50')
  await Promise.all(ids.map((id) => recorder.record(outcomeOf(id))))
  const left = await database.query(`SELECT id FROM receivers WHERE state = 'pending'`)
  expect(left).toEqual([{ id: 'm-50' }])

  await until('it to be tried again', () => refusals.length > 1 || undefined)
  for (const refusal of refusals) expect(refusal).toMatchObject({ message: 'm-50' })
  recorder.giveUp()
  await refused
  await end()
})

it('needs few writes for one that is refused, and no more than one while the store is away', async () => {
  const sizes: number[] = []
  let away = false
  const recorder = outcomeRecorder(
    {
      async record(records) {
        sizes.push(records.length)
        if (away) throw new UnavailableError('PostgreSQL', 'it is away')
        if (records.some(({ id }) => id === 'refused')) throw new Error('value out of range')
      },
    },
    quiet,
  )
  const refused = recorder.record(outcomeOf('refused'))
  await Promise.all(Array.from({ length: 499 }, (_, index) => recorder.record(outcomeOf(`m-${index}`))))
  expect(sizes.length).toBeLessThan(20)
  recorder.giveUp()
  await refused

  sizes.length = 0
  away = true
  await Promise.all(['a', 'b', 'c'].map((id) => recorder.record(outcomeOf(id))))
  expect(sizes).toEqual([3])
})

it('needs few writes where everything is refused, and writes those that stand beside a row of refused ones', async () => {
  let writes = 0
  let needed: number | undefined
  let isRefused = (_id: string): boolean => true
  const recorder = outcomeRecorder(
    {
      async record(records) {
        writes += 1
        if (records.some(({ id }) => isRefused(id))) throw new Error('permission denied')
      },
    },
    { ...quiet, error: () => void (needed ??= writes) },
  )
  const ids = Array.from({ length: 500 }, (_, index) => `m-${index}`)
  const recorded = ids.map((id) => recorder.record(outcomeOf(id)))
  expect(await until('a batch to be refused', () => needed)).toBeLessThan(30)
  isRefused = (id) => ids.indexOf(id) < 12
  await Promise.all(recorded.slice(12))
  recorder.giveUp()
  await Promise.all(recorded)
})
