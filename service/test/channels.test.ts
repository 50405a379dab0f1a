import { classify } from 'switchgear'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, it } from 'vitest'
import { emailChannel } from '../src/channels/email.ts'
import { httpSender } from '../src/channels/http-sender.ts'
import { RecipientsRefusedError } from '../src/channels/recipients-refused-error.ts'
import { slackChannel } from '../src/channels/slack.ts'
import { slackMessage } from '../src/channels/slack-message.ts'
import { webhookChannel } from '../src/channels/webhook.ts'
import { classifyDelivery, judgeDelivery } from '../src/delivery/judge-delivery.ts'
import type { StoredAlert } from '../src/store/stored-alert.ts'
import { startHttpEndpoint } from './servers/http-endpoint.ts'
import { type MailRules, startMailServer } from './servers/mail-server.ts'
import { until } from '../../test/servers/until.ts'

const alert: StoredAlert = {
  organization: 'acme',
  id: 'alert-1',
  severity: 'critical',
  status: 'firing',
  type: 'disk',
  title: 'Disk full\r\nBcc: everybody@example.com <script>',
  message: 'No space — on /dev/sda1 🚨\r\n.\r\nQUIT',
  labels: { host: 'db-1' },
  occurredAt: 1_700_000_000_000,
  acceptedAt: 1_700_000_000_500,
}

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function mailTo(to: readonly string[], rules: MailRules = {}) {
  const reached = new Set<string>()
  const refused = new Map<string, string>()
  const server = await startMailServer(rules)
  ends.push(() => server.close())
  const channel = emailChannel({ url: new URL(server.url), from: 'Alerts <alerts@switchgear.example>' })
  ends.push(() => channel.close())
  const send = (signal = AbortSignal.timeout(5_000), messageId = 'message-1') =>
    channel.send({ messageId, alert, receiver: 'ops', target: { kind: 'email', to }, reached, refused, signal })
  const failure = () =>
    send().then(
      () => undefined,
      (error: unknown) => error,
    )
  return { server, send, failure, reached, refused }
}

const verdict = (error: unknown) => {
  const { type, retryable } = classify(error, { classify: classifyDelivery })
  return { type, retryable, judgement: judgeDelivery(error) }
}

describe('mail', () => {
  it('arrives whole, with the id that stays the same and a subject of one line', async () => {
    const { server, send, reached } = await mailTo(['Ops@ACME.example', 'b@acme.example'])
    await send()
    expect(server.received).toHaveLength(1)
    const [mail] = server.received
    expect(mail).toMatchObject({
      to: ['Ops@acme.example', 'b@acme.example'],
      messageId: '<message-1@switchgear.example>',
      subject: '[CRITICAL] Disk full Bcc: everybody@example.com <script>',
    })
    expect(mail?.raw).toContain('From: Alerts <alerts@switchgear.example>')
    expect(mail?.raw.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/m)
    expect(reached).toEqual(new Set(['Ops@ACME.example', 'b@acme.example']))
  })

  it('uses one connection for several messages', async () => {
    const { server, send, reached } = await mailTo(['ops@acme.example'])
    for (const id of ['1', '2', '3']) {
      await send(AbortSignal.timeout(5_000), id)
      reached.clear()
    }
    expect(server.received).toHaveLength(3)
    expect(server.connections).toBe(1)
  })

  it('is refused for good by 550 to its only recipient: the host is alive', async () => {
    const { failure } = await mailTo(['no@acme.example'], { recipient: () => ({ code: 550, text: 'no such user' }) })
    const error = await failure()
    expect(error).toBeInstanceOf(RecipientsRefusedError)
    expect((error as Error).message).toBe('no@acme.example: 550 no such user')
    expect(verdict(error)).toEqual({ type: 'rejected', retryable: false, judgement: 'success' })
  })

  it('may pass later after 451', async () => {
    const { failure } = await mailTo(['ops@acme.example'], { recipient: () => ({ code: 451, text: 'try later' }) })
    expect(verdict(await failure())).toEqual({ type: 'server_error', retryable: true, judgement: 'failure' })
  })

  it('goes again only to those who have not got it', async () => {
    const rules: MailRules = {
      recipient: (address) => (address.startsWith('slow') ? { code: 450, text: 'greylisted' } : undefined),
    }
    const { server, failure, send, reached } = await mailTo(['a@acme.example', 'slow@acme.example'], rules)
    const error = await failure()
    expect((error as Error).message).toBe('slow@acme.example: 450 greylisted (1 other got it)')
    expect(verdict(error)).toMatchObject({ retryable: true })
    expect(reached).toEqual(new Set(['a@acme.example']))
    server.rules = {}
    await send()
    expect(server.received.map(({ to }) => to)).toEqual([['a@acme.example'], ['slow@acme.example']])
  })

  it('is not tried again when some got it and the others never will', async () => {
    const rules: MailRules = {
      recipient: (address) => (address.startsWith('no') ? { code: 550, text: 'no such user' } : undefined),
    }
    const { failure, reached } = await mailTo(['a@acme.example', 'no@acme.example'], rules)
    expect(verdict(await failure())).toEqual({ type: 'rejected', retryable: false, judgement: 'success' })
    expect(reached).toEqual(new Set(['a@acme.example']))
  })

  it('asks nobody again who was refused for good, while it tries for the others', async () => {
    const replies: Record<string, number> = { No: 550, slow: 451 }
    const rules: MailRules = {
      recipient: (address) => {
        const code = replies[address.split('@')[0] ?? '']
        return code === undefined ? undefined : { code, text: 'not now' }
      },
    }
    const { server, failure, reached, refused } = await mailTo(['No@ACME.example', 'slow@acme.example'], rules)
    expect(verdict(await failure())).toMatchObject({ retryable: true })
    expect(refused).toEqual(new Map([['No@ACME.example', '550 not now']]))
    delete replies['slow']
    const error = await failure()
    expect(verdict(error)).toEqual({ type: 'rejected', retryable: false, judgement: 'success' })
    expect((error as Error).message).toBe('No@ACME.example: 550 not now (1 other got it)')
    expect(reached).toEqual(new Set(['slow@acme.example']))
    expect(server.asked.map(({ address }) => address.split('@')[0])).toEqual(['No', 'slow', 'slow'])
    expect(await failure()).toBeInstanceOf(RecipientsRefusedError)
    expect(server.asked).toHaveLength(3)
  })

  it('tells a message that the server refuses for good from one that it refuses for now', async () => {
    const rules: MailRules = { message: () => ({ code: 554, text: 'looks like spam' }) }
    const { server, failure } = await mailTo(['ops@acme.example'], rules)
    expect(verdict(await failure())).toEqual({ type: 'rejected', retryable: false, judgement: 'success' })
    server.rules = { message: () => ({ code: 452, text: 'disk full here, too' }) }
    expect(verdict(await failure())).toMatchObject({ type: 'server_error', retryable: true, judgement: undefined })
  })

  it('closes the connection of an attempt that is given up, so that it is not sent after all', async () => {
    const { server, send } = await mailTo(['ops@acme.example'], {})
    let answered = () => {}
    server.rules = { beforeAnswer: () => new Promise((resolve) => (answered = resolve)) }
    const stop = new AbortController()
    const sending = send(stop.signal)
    await until('the mail to arrive', () => (server.received.length > 0 ? true : undefined))
    stop.abort(new Error('enough'))
    await expect(sending).rejects.toMatchObject({ code: 'EABORT' })
    answered()
  })

  it('fails as a connection when nobody listens', async () => {
    const { server, failure } = await mailTo(['ops@acme.example'])
    await server.close()
    expect(verdict(await failure())).toMatchObject({ type: 'connection', retryable: true, judgement: undefined })
  })
})

describe('webhooks', () => {
  const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`

  it('are signed so that the receiver can verify them, with an id that stays the same', async () => {
    const endpoint = await startHttpEndpoint()
    ends.push(() => endpoint.close())
    const http = httpSender({ allowPrivate: true })
    ends.push(() => http.close())
    await webhookChannel(http).send({
      messageId: 'message-1',
      alert,
      receiver: 'hook',
      target: { kind: 'webhook', url: `${endpoint.url}/alerts?x=1`, secret },
      reached: new Set(),
      refused: new Map(),
      signal: AbortSignal.timeout(5_000),
    })
    const [request] = endpoint.requests
    expect(request?.path).toBe('/alerts?x=1')
    expect(request?.headers['webhook-id']).toBe('message-1')
    const body = new Webhook(secret).verify(request?.body ?? '', request?.headers as Record<string, string>)
    expect(body).toEqual({
      type: 'alert.firing',
      timestamp: new Date(alert.acceptedAt).toISOString(),
      data: { ...alert, receiver: 'hook' },
    })
  })

  it.each([
    [400, 'rejected', false, 'success'],
    [404, 'rejected', false, 'success'],
    [408, 'timeout', true, 'success'],
    [410, 'rejected', false, 'success'],
    [429, 'rate_limited', true, 'success'],
    [301, 'rejected', false, 'success'],
    [500, 'server_error', true, 'failure'],
    [501, 'server_error', false, 'failure'],
    [503, 'server_error', true, 'failure'],
  ])(
    'that are answered %i are %s, retryable: %s, and say %s of the host',
    async (status, type, retryable, judgement) => {
      const endpoint = await startHttpEndpoint((_request, response) => response.writeHead(status).end())
      ends.push(() => endpoint.close())
      const http = httpSender({ allowPrivate: true })
      ends.push(() => http.close())
      const error = await http
        .post(endpoint.url, '{}', {}, AbortSignal.timeout(5_000))
        .catch((thrown: unknown) => thrown)
      expect(verdict(error)).toEqual({ type, retryable, judgement })
    },
  )
})

describe('Slack', () => {
  it('gets Block Kit, in which nothing of the alert is markup, with an id that stays the same', async () => {
    const endpoint = await startHttpEndpoint()
    ends.push(() => endpoint.close())
    const http = httpSender({ allowPrivate: true })
    ends.push(() => http.close())
    await slackChannel(http).send({
      messageId: 'message-1',
      alert,
      receiver: 'room',
      target: { kind: 'slack', url: `${endpoint.url}/services/T/B/x` },
      reached: new Set(),
      refused: new Map(),
      signal: AbortSignal.timeout(5_000),
    })
    const body = JSON.parse(endpoint.requests[0]?.body ?? '') as { text: string; blocks: { block_id?: string }[] }
    expect(body.text).toContain('&lt;script&gt;')
    expect(body.blocks.map(({ block_id }) => block_id)).toContain('switchgear:message-1')
  })

  it('gets what the alert is, whatever its labels are called', () => {
    const labels = { severity: 'info', status: 'fine', type: 'mine' }
    const shown = JSON.stringify(slackMessage({ ...alert, severity: 'critical', labels }, 'message-1'))
    const fields = ['severity*\\ncritical', 'severity*\\ninfo', `type*\\n${alert.type}`, 'type*\\nmine']
    for (const field of fields) expect(shown).toContain(`*${field}"`)
  })

  it('stays within what Slack takes, whatever the alert holds', () => {
    const long = '🚨'.repeat(20_000)
    const labels = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`label-${index}`, long]))
    const message = slackMessage({ ...alert, title: long, message: long, labels }, 'message-1') as {
      text: string
      blocks: { text?: { text: string }; fields?: { text: string }[] }[]
    }
    expect(message.text.length).toBeLessThanOrEqual(3_000)
    for (const { text, fields = [] } of message.blocks) {
      expect(text?.text.length ?? 0).toBeLessThanOrEqual(3_000)
      expect(fields.length).toBeLessThanOrEqual(10)
      for (const field of fields) expect(field.text.length).toBeLessThanOrEqual(2_000)
    }
    expect(message.blocks[0]?.text?.text.length).toBeLessThanOrEqual(150)
    expect(JSON.stringify(message).isWellFormed()).toBe(true)
  })
})
