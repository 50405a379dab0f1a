import { type Letter, memoryDeadLetters } from 'switchgear'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { isOf } from '../src/dead-letters/letter-scope.ts'
import { letterToSend, UnsendableError } from '../src/dead-letters/letter-to-send.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const receivers = [
  { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret },
  { name: 'other', channel: 'webhook', url: 'https://other.example/alerts', secret },
  { name: 'room', channel: 'slack', url: 'https://slack.example/x' },
]
const foreign = [{ name: 'theirs', channel: 'slack', url: 'https://slack.example/y' }]
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { acme: { receivers }, globex: { receivers: foreign } } }), 'test'),
  {},
)

const payload = {
  alert: {
    organization: 'acme',
    id: 'alert-1',
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: 'No space is left',
    labels: { host: 'db-1' },
    acceptedAt: 1,
  },
  receiver: 'hook',
  reached: ['a@x'],
  refused: { 'b@x': '550' },
}

describe('a letter that is sent again', () => {
  const queue = memoryDeadLetters()
  let original: Letter
  beforeAll(async () => {
    original = await queue.enqueue({ organization: 'acme', channel: 'webhook', messageId: 'm', payload, error: 'no' })
  })
  const edited = (over: Partial<Letter>): Letter => ({ ...original, ...over })

  it('goes to the receiver that it names, as configured now', () => {
    expect(letterToSend(original, organizations)).toMatchObject({
      alert: payload.alert,
      reached: ['a@x'],
      to: { name: 'hook', target: { kind: 'webhook', url: 'https://acme.example/alerts' } },
    })
    const moved = edited({ channel: 'email' })
    expect(letterToSend(moved, organizations).to.name).toBe('hook')
  })

  it('goes to the only receiver on the channel that was edited into it', () => {
    const edits = [{ at: 1, version: 1, channel: 'webhook' }]
    expect(letterToSend(edited({ channel: 'slack', edits }), organizations).to.name).toBe('room')
    expect(letterToSend(edited({ channel: 'webhook', edits }), organizations).to.name).toBe('hook')
    const named = edited({ channel: 'webhook', edits, payload: { ...payload, receiver: 'other' } })
    expect(letterToSend(named, organizations).to.name).toBe('other')
  })

  it.each<[string, Partial<Letter>, string]>([
    ['no receiver of its name', { payload: { ...payload, receiver: 'gone' } }, 'no longer configured'],
    ['a receiver of another organization', { payload: { ...payload, receiver: 'theirs' } }, 'no longer configured'],
    ['no organization', { organization: 'initech' }, 'not configured'],
    ['no receiver on its channel', { channel: 'email', edits: [{ at: 1, version: 1, channel: 'x' }] }, 'no receiver'],
    [
      'several on its channel',
      {
        channel: 'webhook',
        payload: { ...payload, receiver: 'room' },
        edits: [{ at: 1, version: 1, channel: 'slack' }],
      },
      'several receivers',
    ],
    ['no alert', { payload: { ...payload, alert: undefined } }, 'payload.alert'],
    ['an alert that is none', { payload: { ...payload, alert: { ...payload.alert, severity: 'bad' } } }, 'severity'],
    ['a list for a payload', { payload: [] }, 'payload'],
    ['nothing for a payload', { payload: null }, 'payload'],
  ])('cannot be sent with %s, and says so', (_what, over, why) => {
    const send = () => letterToSend(edited(over), organizations)
    expect(send).toThrow(UnsendableError)
    expect(send).toThrow(why)
  })

  it('speaks for its own organization, whatever was edited into it', () => {
    const alert = { ...payload.alert, organization: 'globex' }
    expect(letterToSend(edited({ payload: { ...payload, alert } }), organizations).alert.organization).toBe('acme')
  })
})

describe('whose a letter is', () => {
  it.each(['acme', 'acme corp.', 'ünï/cödé', '%41cme', 'a.b'])('stands in its id: %s', async (organization) => {
    const draft = { organization, channel: 'email', messageId: 'm', payload: 1, error: 'x', id: 'a.b' }
    const { id } = await memoryDeadLetters().enqueue(draft)
    expect(isOf(organization, id)).toBe(true)
    for (const other of ['acm', 'acme corp', 'a', 'acme%20corp%2E']) expect(isOf(other, id)).toBe(false)
  })
})
