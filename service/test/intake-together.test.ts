import fc from 'fast-check'
import { type Limiter, memoryLimiter, OverCapacityError } from 'switchgear'
import { describe, expect, it } from 'vitest'
import { sized } from '../../test/sized.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { type AlertIntakeOptions, alertIntake } from '../src/intake/accept-alerts.ts'
import { type AlertDraft, alertDraftSchema, isAlertDraft } from '../src/intake/alert-schema.ts'

const receivers = [{ name: 'room', channel: 'slack', url: 'https://hooks.slack.com/services/acme' }]
const silences = [{ match: { type: 'noise' }, until: '2099-01-01T00:00:00Z', by: 'ada', reason: 'known' }]
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { acme: { receivers, silences }, globex: { receivers: [] } } }), 'test'),
  {},
)

const draftOf = (organization: string, type = 'disk'): AlertDraft => ({
  organization,
  severity: 'high',
  status: 'firing',
  type,
  title: 'Disk full',
  message: 'No space',
})

/** An intake that may take in `limit` alerts of each organization, over a store that says what it was given. */
function intakeWith(limit: number, given: Partial<AlertIntakeOptions> = {}) {
  const limiter = memoryLimiter({ limits: { alerts: { limit, windowMs: 3_600_000 } } })
  const costs: unknown[] = []
  const counted: Pick<Limiter, 'check' | 'peek' | 'refund'> = {
    ...limiter,
    check(key, names) {
      costs.push(names)
      return limiter.check(key, names)
    },
  }
  const inserted: number[] = []
  const woken: string[] = []
  const intake = alertIntake({
    organizations,
    limiter: counted,
    store: {
      async insert(requests) {
        inserted.push(requests.length)
        return requests.map((request) => ({ status: 'accepted', alerts: request.map(({ id }) => ({ id })) }))
      },
      findKnown: async () => new Set(),
    },
    onStored: (destinations) => woken.push(...destinations),
    ...given,
  })
  const remaining = async (key: string) => (await limiter.peek(key, 'alerts')).limits[0]?.remaining
  return { intake, costs, inserted, woken, remaining }
}

describe('requests that come together', () => {
  it('ask the limit once for each organization, and are stored at once', async () => {
    const { intake, costs, inserted, remaining } = intakeWith(100)
    const from = ['acme', 'globex', 'acme', 'acme', 'globex']
    const answers = await Promise.all(from.map((organization) => intake.accept([draftOf(organization)])))
    expect(answers.map(({ status }) => status)).toEqual(from.map(() => 'accepted'))
    expect(costs).toEqual([[{ name: 'alerts', cost: 3 }], [{ name: 'alerts', cost: 2 }]])
    expect(inserted).toEqual([5])
    expect(await Promise.all([remaining('acme'), remaining('globex')])).toEqual([97, 98])
  })

  it('get each its own alerts back', async () => {
    const { intake } = intakeWith(100)
    const answers = await Promise.all([1, 2, 3].map((count) => intake.accept(Array(count).fill(draftOf('acme')))))
    const ids = answers.map((answer) => (answer.status === 'accepted' ? answer.alerts.map(({ id }) => id) : []))
    expect(ids.map((own) => own.length)).toEqual([1, 2, 3])
    expect(new Set(ids.flat()).size).toBe(6)
  })

  it('are let in one by one where there is no room for all of them, whatever others want', async () => {
    const { intake, remaining } = intakeWith(5)
    const from = ['globex', ...Array<string>(8).fill('acme')]
    const answers = await Promise.all(from.map((organization) => intake.accept([draftOf(organization)])))
    expect(answers.map(({ status }) => status)).toEqual([
      ...Array<string>(6).fill('accepted'),
      ...Array<string>(3).fill('limited'),
    ])
    expect(await Promise.all([remaining('acme'), remaining('globex')])).toEqual([0, 4])
  })

  it('do not ask together for what was just said not to be there', async () => {
    const { intake, costs } = intakeWith(3)
    await intake.accept([draftOf('acme')])
    await Promise.all([1, 2, 3].map(() => intake.accept([draftOf('acme')])))
    expect(costs).toEqual([1, 2, 3, 4].map(() => [{ name: 'alerts', cost: 1 }]))
  })

  it('of several organizations are let in whole or not at all, and take nothing from those beside them', async () => {
    const { intake, remaining } = intakeWith(2)
    const both = [draftOf('globex'), draftOf('acme'), draftOf('acme'), draftOf('acme')]
    const [refused, taken] = await Promise.all([intake.accept(both), intake.accept([draftOf('acme')])])
    expect(refused).toMatchObject({ status: 'limited', organization: 'acme' })
    expect(taken.status).toBe('accepted')
    expect(await Promise.all([remaining('acme'), remaining('globex')])).toEqual([1, 2])
  })

  it('are given back what they booked when they cannot be stored, and are told so', async () => {
    const failing = { insert: () => Promise.reject(new Error('away')), findKnown: async () => new Set<string>() }
    const { intake, remaining, woken } = intakeWith(10, { store: failing })
    const answers = await Promise.allSettled([1, 2, 3].map(() => intake.accept([draftOf('acme')])))
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await remaining('acme')).toBe(10)
    expect(woken).toEqual([])
  })

  it('wake those who send, unless all is silenced', async () => {
    const { intake, woken } = intakeWith(10)
    await Promise.all([intake.accept([draftOf('acme', 'noise')]), intake.accept([draftOf('globex')])])
    expect(woken).toEqual([])
    await intake.accept([draftOf('acme')])
    expect(woken).toHaveLength(1)
  })
})

describe('alerts that are large', () => {
  const charactersOf = (alerts: readonly Pick<AlertDraft, 'message' | 'labels'>[]): number =>
    alerts.flatMap(({ message, labels = {} }) => [message, ...Object.entries(labels).flat()]).join('').length
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`l${n}`.padEnd(128, '.'), 'x'.repeat(1_024)]))
  const large = [
    { ...draftOf('acme'), message: 'x'.repeat(20_000) },
    { ...draftOf('acme'), labels },
  ]

  /** An intake whose store says how many characters it was given at once. */
  function intakeOfLarge() {
    const stored: number[] = []
    const { intake } = intakeWith(1_000_000, {
      store: {
        async insert(requests) {
          stored.push(charactersOf(requests.flat()))
          return requests.map((request) => ({ status: 'accepted', alerts: request.map(({ id }) => ({ id })) }))
        },
        findKnown: async () => new Set(),
      },
    })
    return { intake, stored }
  }

  it('are stored in batches of some 4 million characters', async () => {
    const { intake, stored } = intakeOfLarge()
    const requests = Array.from({ length: 400 }, (_, index) => large.slice(index % 2, (index % 2) + 1))
    const answers = await Promise.all(requests.map((drafts) => intake.accept(drafts)))
    expect(answers.filter(({ status }) => status === 'accepted')).toHaveLength(400)
    expect(Math.max(...stored)).toBeLessThan(4_096_000 * 1.2)
    expect(stored.length).toBeLessThan(10)
  })

  it('are stored, however large a request is', async () => {
    const { intake, stored } = intakeOfLarge()
    const answer = await intake.accept(Array.from({ length: 100 }, () => large).flat())
    expect(answer.status).toBe('accepted')
    expect(stored).toHaveLength(1)
  })

  it('are refused when some 80 million characters are waiting', async () => {
    const { intake } = intakeOfLarge()
    const answers = await Promise.allSettled(Array.from({ length: 1_200 }, () => intake.accept(large)))
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []))
    for (const error of refused) expect(error).toBeInstanceOf(OverCapacityError)
    const taken = (answers.length - refused.length) * charactersOf(large)
    expect(taken).toBeGreaterThan(78e6)
    expect(taken).toBeLessThan(88e6)
  })
})

describe('what takes alerts at once', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom('', '\0', '\ud800', 'a'.repeat(128), 'a'.repeat(129), 'a'.repeat(500), 'a'.repeat(501)),
    fc.constantFrom('a'.repeat(512), 'a'.repeat(513), 'a'.repeat(1_024), 'a'.repeat(1_025), 'a'.repeat(20_001)),
  )
  const strange = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom(Infinity, -1, 0.5, 8.64e15, 8.64e15 + 2, 2 ** 60),
  )
  const labels = fc.oneof(
    fc.dictionary(text, fc.oneof({ weight: 9, arbitrary: text }, strange), { maxKeys: 3 }),
    fc.constantFrom(64, 65).map((count) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, 'x']))),
    strange,
  )
  const change = fc.oneof(
    fc.tuple(fc.constantFrom('organization', 'type', 'title', 'message', 'id', 'dedupKey', 'severity', 'other'), text),
    fc.tuple(fc.constantFrom('occurredAt', 'title', 'status', 'severity', 'constructor'), strange),
    fc.tuple(fc.constant('labels'), labels),
    fc.tuple(fc.constantFrom('severity', 'status'), fc.constantFrom('info', 'resolved', 'Resolved')),
  )
  const draft = fc
    .tuple(fc.array(change, { maxLength: 3 }), fc.array(fc.constantFrom('title', 'type'), { maxLength: 1 }))
    .map(([changes, left]) => {
      const made = { ...draftOf('acme'), ...Object.fromEntries(changes) }
      return Object.fromEntries(Object.entries(made).filter(([key]) => !left.some((out) => out === key)))
    })

  it('takes what the schema takes, as it is, and nothing else', () => {
    let taken = 0
    const runs = sized(1_000, 100_000)
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: draft }, fc.jsonValue()), (value) => {
        const parsed = alertDraftSchema.safeParse(value)
        expect(isAlertDraft(value)).toBe(parsed.success)
        if (!parsed.success) return
        taken += 1
        expect(parsed.data).toEqual(value)
      }),
      { numRuns: runs },
    )
    expect(taken).toBeGreaterThan(runs / 20)
  })
})
