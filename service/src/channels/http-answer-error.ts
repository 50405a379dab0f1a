/** The other side answered, and not with success. */
export class HttpAnswerError extends Error {
  readonly status: number
  /** As they came, `retry-after` among them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>

  constructor(host: string, status: number, headers: HttpAnswerError['headers'], excerpt: string) {
    super(`${host} answered ${status}${excerpt === '' ? '' : `: ${excerpt}`}`)
    this.name = 'HttpAnswerError'
    this.status = status
    this.headers = headers
  }
}
