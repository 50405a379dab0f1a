import { domainToASCII } from 'node:url'
import { createTransport } from 'nodemailer'
import type { SmtpSettings } from '../settings.ts'
import type { Channel } from './channel.ts'
import { emailMessage } from './email-message.ts'
import { RecipientsRefusedError, type RefusedRecipient } from './recipients-refused-error.ts'
import { secretsOfLogin, withoutSecrets } from './without-secrets.ts'

/** Connections to the relay, and messages on each before a new one. */
const connectionsMax = 8
const messagesMax = 100
/** After this long without a message a connection is closed, before the server does, in ms. */
const idleTimeoutMs = 20_000
/** The longest that the protocol's own steps may take, in ms; the attempt's own timeout comes first. */
const patienceMs = 60_000

/**
 * Mail over SMTP. A message to several recipients is finished for those who took it and for those who were refused for
 * good; the next attempt goes to the others. As long as one was refused it is not delivered.
 */
export function emailChannel({ url, from }: SmtpSettings): Channel<'email'> {
  const transport = createTransport({
    ...connectionOf(url),
    pool: true,
    maxConnections: connectionsMax,
    maxMessages: messagesMax,
    // Each attempt is one attempt: trying again is the retry policy's business, and the breaker's to hear of.
    maxRequeues: 0,
    idleTimeout: idleTimeoutMs,
    connectionTimeout: patienceMs,
    greetingTimeout: patienceMs,
    socketTimeout: patienceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = domainOf(from)
  const secrets = secretsOfLogin(url)
  return {
    async send({ messageId, alert, target, reached, refused, signal }) {
      const to = target.to.filter((recipient) => !reached.has(recipient) && !refused.has(recipient))
      const mail = { ...emailMessage(alert, messageId, domain), from, to }
      const answer = to.length === 0 ? undefined : await attempt(mail, signal)
      for (const recipient of to) {
        if (answer?.accepted.has(comparable(recipient))) reached.add(recipient)
        const final = answer?.refused.find((said) => said.permanent && said.recipient === comparable(recipient))
        if (final !== undefined) refused.set(recipient, final.reply)
      }
      const forGood = target.to.flatMap((recipient) => finalRefusal(recipient, refused.get(recipient)))
      const forNow = (answer?.refused ?? []).filter(({ permanent }) => !permanent)
      if (forGood.length + forNow.length > 0) throw new RecipientsRefusedError([...forGood, ...forNow], reached.size)
    },
    close: async () => transport.close(),
  }

  /** Gives who took it and who did not; rejects when the server judged the message, or did not answer. */
  async function attempt(
    mail: { from: string; to: string[]; subject: string; text: string; messageId: string },
    signal: AbortSignal,
  ): Promise<{ accepted: ReadonlySet<string>; refused: readonly RefusedRecipient[] }> {
    try {
      const { accepted, rejectedErrors = [] } = await transport.sendMail({ ...mail, signal })
      return { accepted: new Set(accepted.map(comparable)), refused: rejectedErrors.map(refusal) }
    } catch (error) {
      forget(error, secrets)
      const refused = refusalsOf(error)
      if (refused.length === 0) throw error
      return { accepted: new Set(), refused }
    }
  }
}

/** Servers repeat commands that they do not understand: the one with the password, too. */
function forget(error: unknown, secrets: readonly string[]): void {
  if (!(error instanceof Error)) return
  error.message = withoutSecrets(error.message, secrets)
  if (error.stack !== undefined) error.stack = withoutSecrets(error.stack, secrets)
}

function finalRefusal(recipient: string, reply: string | undefined): readonly RefusedRecipient[] {
  return reply === undefined ? [] : [{ recipient, reply, permanent: true }]
}

/** nodemailer gives addresses back as it sent them: the domain in lower case and ASCII. */
function comparable(address: string): string {
  const at = address.lastIndexOf('@')
  return `${address.slice(0, at)}@${domainToASCII(address.slice(at + 1))}`
}

/** The options that a URL names, as nodemailer's own `smtp://` URLs have them: `?tls.rejectUnauthorized=false` and such. */
function connectionOf(url: URL): { url: string; ignoreTLS?: boolean } {
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  // A relay on this machine often has a certificate that nobody signed, and nobody is there to listen.
  return { url: url.href, ...(local && !url.searchParams.has('requireTLS') ? { ignoreTLS: true } : {}) }
}

function domainOf(from: string): string {
  return /@([^\s@<>]+)>?\s*$/.exec(from)?.[1] ?? 'localhost'
}

interface SmtpReply {
  readonly recipient?: string | undefined
  readonly response?: string | undefined
  readonly responseCode?: number | undefined
  readonly message: string
}

function refusal({ recipient, response, responseCode, message }: SmtpReply): RefusedRecipient {
  return {
    recipient: comparable(recipient ?? ''),
    reply: response ?? message,
    permanent: responseCode !== undefined && responseCode >= 500 && responseCode !== 503,
  }
}

/** When all are refused nodemailer rejects, with an error for each; a single one may stand for itself. */
function refusalsOf(error: unknown): readonly RefusedRecipient[] {
  if (!(error instanceof Error) || !('rejectedErrors' in error) || !Array.isArray(error.rejectedErrors)) return []
  return (error.rejectedErrors as SmtpReply[]).map(refusal)
}
