import { Agent, type Dispatcher } from 'undici'
import { guardedConnector, type Resolve } from './guarded-connector.ts'
import { HttpAnswerError } from './http-answer-error.ts'
import { secretsOfUrl, withoutSecrets } from './without-secrets.ts'

/** Posts JSON and calls everything but a 2xx an error. */
export interface HttpSender {
  /**
   * @throws HttpAnswerError for an answer outside of 2xx, redirects among them: they are not followed.
   * @throws PrivateAddressError when the host is in a private network, and that is not allowed.
   */
  post(url: string, body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface HttpSenderOptions {
  /** Lets messages into private networks. */
  readonly allowPrivate: boolean
  readonly resolve?: Resolve
}

/** How long connecting, an answer's head and pauses in its body may take at most, in ms; the attempt's own timeout comes first. */
const patienceMs = 60_000
/** Connections to one host. */
const connectionsMax = 16
/** Bytes of an answer that are read at most; the connection of a longer one is closed. */
const answerBytesMax = 65_536
/** Characters of an answer that an error repeats. */
const excerptCharactersMax = 200

export function httpSender({ allowPrivate, resolve }: HttpSenderOptions): HttpSender {
  const agent = new Agent({
    connections: connectionsMax,
    headersTimeout: patienceMs,
    bodyTimeout: patienceMs,
    ...(allowPrivate
      ? { connect: { timeout: patienceMs } }
      : {
          connect: guardedConnector({
            connectTimeoutMs: patienceMs,
            ...(resolve === undefined ? {} : { resolve }),
          }),
        }),
  })
  return {
    async post(url, body, headers, signal) {
      const answer = await agent.request({
        ...addressOf(url),
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'user-agent': 'switchgear', ...headers },
        signal,
      })
      if (answer.statusCode >= 200 && answer.statusCode < 300)
        return answer.body.dump({ limit: answerBytesMax, signal })
      // Servers like to repeat what they were asked, and the path of a webhook is all that one needs to write to it.
      const said = withoutSecrets(await textOf(answer.body), secretsOfUrl(url))
      const excerpt = said.slice(0, excerptCharactersMax)
      throw new HttpAnswerError(new URL(url).host, answer.statusCode, answer.headers, excerpt)
    },
    close: () => agent.destroy(),
  }
}

function addressOf(url: string): { origin: string; path: string } {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: `${pathname}${search}` }
}

/** The beginning of an answer, on one line: what Slack and others say of what they did not like. */
async function textOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      chunks.push(Buffer.from(chunk as Uint8Array))
      bytes += (chunk as Uint8Array).length
      if (bytes > answerBytesMax) break
    }
  } catch {
    // The status has been heard; how the rest of the answer ended changes nothing.
  }
  return printable(Buffer.concat(chunks).toString('utf8'))
}

function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
}
