import { deadPort, type HttpEndpoint, startHttpEndpoint } from './http-endpoint.ts'
import { type MailServer, startMailServer } from './mail-server.ts'

/** A message that arrived and was taken. */
export interface Receipt {
  readonly at: number
  /** The message's own id: the same in every attempt. */
  readonly messageId: string
  /** `<organization>/<alert>/<receiver>` */
  readonly for: string
}

/** Everything that the service sends to, on this machine. */
export interface OutsideWorld {
  readonly mail: MailServer
  readonly slack: HttpEndpoint
  readonly hook: HttpEndpoint
  readonly hanging: HttpEndpoint
  readonly refusingPort: number
  /** What was taken, by all of them. */
  readonly receipts: readonly Receipt[]
  /** When Slack said 429, and until when it wanted to be left alone. */
  readonly waits: { readonly at: number; readonly untilAt: number }[]
  /** Slack answers the next request with 429 and this Retry-After, in seconds. */
  slackSays429(retryAfterSeconds: number): void
  close(): Promise<void>
}

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`

export async function startOutsideWorld(): Promise<OutsideWorld> {
  const receipts: Receipt[] = []
  const waits: { at: number; untilAt: number }[] = []
  let retryAfter: number | undefined
  const mail = await startMailServer()
  mail.onReceived = ({ at, messageId, raw, to }) => {
    const [, organization = ''] = /^organization: (\S+)/m.exec(raw) ?? []
    const [, alert = ''] = /^id: (\S+)/m.exec(raw) ?? []
    receipts.push({ at, messageId, for: `${organization}/${alert}/${to[0]?.startsWith('gone') ? 'gone' : 'ops'}` })
  }
  const slack = await startHttpEndpoint((request, response) => {
    if (retryAfter !== undefined) {
      response.writeHead(429, { 'retry-after': String(retryAfter) }).end()
      waits.push({ at: Date.now(), untilAt: Date.now() + retryAfter * 1_000 })
      retryAfter = undefined
      return
    }
    const { blocks } = JSON.parse(request.body) as { blocks: { block_id?: string; elements?: { text: string }[] }[] }
    const { block_id = '', elements = [] } = blocks.at(-1) ?? {}
    const [organization, alert] = (elements[0]?.text ?? '').split(' · ')
    receipts.push({ at: request.at, messageId: block_id, for: `${organization}/${alert}/room` })
    response.end('ok')
  })
  const hook = await startHttpEndpoint((request, response) => {
    const { data } = JSON.parse(request.body) as { data: { organization: string; id: string; receiver: string } }
    const messageId = String(request.headers['webhook-id'])
    receipts.push({ at: request.at, messageId, for: `${data.organization}/${data.id}/${data.receiver}` })
    response.end('ok')
  })
  const hanging = await startHttpEndpoint(() => {})
  const refusingPort = await deadPort()
  return {
    mail,
    slack,
    hook,
    hanging,
    refusingPort,
    receipts,
    waits,
    slackSays429: (seconds) => (retryAfter = seconds),
    close: async () => void (await Promise.all([mail, slack, hook, hanging].map((server) => server.close()))),
  }
}

/** How long an attempt at the host that hangs may take, in ms. */
export const hangingTimeoutMs = 300

const plenty = { limit: 1_000_000, windowMs: 60_000 }

/**
 * Three organizations whose receivers are in this world; each has one of its own that does not work. What two of them send
 * to a dead host waits for it, for `maxAgeMs`.
 */
export function configFor({ slack, hook, hanging, refusingPort }: OutsideWorld, maxAgeMs: number): object {
  const organization = (name: string, broken: object): object => ({
    maxAgeMs: name === 'acme' ? 3_600_000 : maxAgeMs,
    receivers: [
      { name: 'ops', channel: 'email', to: [`ops@${name}.example`] },
      { name: 'room', channel: 'slack', url: `${slack.url}/services/${name}` },
      { name: 'hook', channel: 'webhook', url: `${hook.url}/${name}`, secret },
      broken,
    ],
    limits: { alerts: plenty, email: plenty, slack: plenty, webhook: plenty },
  })
  const impatient = {
    failureThreshold: 5,
    recoveryTimeoutMs: 500,
    recoveryBackoff: { maxMs: 2_000 },
    timeoutMs: hangingTimeoutMs,
  }
  return {
    organizations: {
      acme: organization('acme', { name: 'gone', channel: 'email', to: ['gone@acme.example'] }),
      globex: organization('globex', { name: 'hanging', channel: 'webhook', url: `${hanging.url}/globex`, secret }),
      initech: organization('initech', {
        name: 'refusing',
        channel: 'webhook',
        url: `http://127.0.0.1:${refusingPort}/initech`,
        secret,
      }),
    },
    engine: {
      breakers: {
        // Who answers may be late on a busy machine: what arrived and was given up would arrive again.
        default: { ...impatient, timeoutMs: 30_000 },
        [`webhook:127.0.0.1:${hanging.port}`]: impatient,
      },
      retry: { maxAttempts: 3, baseDelayMs: 50, maxDelayMs: 500 },
    },
  }
}
