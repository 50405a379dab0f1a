import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** A mail that the server took. */
export interface ReceivedMail {
  readonly at: number
  readonly to: readonly string[]
  readonly messageId: string
  readonly subject: string
  readonly raw: string
}

/** What the server says instead of yes: to a recipient, or to a whole message. */
export interface MailRules {
  /** `undefined` accepts. Asked at RCPT. */
  recipient?: (address: string) => { readonly code: number; readonly text: string } | undefined
  /** Asked at the end of DATA, before the message is taken. */
  message?: (raw: string) => { readonly code: number; readonly text: string } | undefined
  /** Lets the answer to DATA wait. */
  beforeAnswer?: () => Promise<void>
}

export interface MailServer {
  readonly url: string
  readonly port: number
  readonly received: readonly ReceivedMail[]
  /** Every RCPT, also refused ones. */
  readonly asked: readonly { readonly at: number; readonly address: string }[]
  connections: number
  rules: MailRules
  /** Hears of every mail that was taken. */
  onReceived: (mail: ReceivedMail) => void
  close(): Promise<void>
}

/** A real SMTP server on a port of its own. */
export async function startMailServer(rules: MailRules = {}): Promise<MailServer> {
  const received: ReceivedMail[] = []
  const asked: { at: number; address: string }[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    disableReverseLookup: true,
    onConnect(_session, done) {
      mail.connections += 1
      done()
    },
    onRcptTo({ address }, _session, done) {
      asked.push({ at: Date.now(), address })
      const refusal = mail.rules.recipient?.(address)
      done(refusal === undefined ? null : smtpError(refusal))
    },
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8')
        const refusal = mail.rules.message?.(raw)
        if (refusal !== undefined) return done(smtpError(refusal))
        const taken: ReceivedMail = {
          at: Date.now(),
          to: envelope.rcptTo.map(({ address }) => address),
          messageId: headerOf(raw, 'message-id'),
          subject: headerOf(raw, 'subject'),
          raw,
        }
        received.push(taken)
        mail.onReceived(taken)
        void (mail.rules.beforeAnswer?.() ?? Promise.resolve()).then(() => done())
      })
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  const { port } = server.server.address() as AddressInfo
  const mail: MailServer = {
    url: `smtp://127.0.0.1:${port}`,
    port,
    received,
    asked,
    connections: 0,
    rules,
    onReceived: () => {},
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return mail
}

function smtpError({ code, text }: { readonly code: number; readonly text: string }): Error {
  return Object.assign(new Error(text), { responseCode: code })
}

/** A header's value, with its continuation lines. */
function headerOf(raw: string, name: string): string {
  const match = new RegExp(`^${name}: ?((?:.*)(?:\\r?\\n[ \\t].*)*)`, 'im').exec(raw)
  return (match?.[1] ?? '').replaceAll(/\r?\n[ \t]+/g, ' ')
}
