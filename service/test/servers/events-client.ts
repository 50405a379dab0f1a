/** Server-sent events, as they came. */
export interface EventsSeen {
  readonly events: readonly { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }[]
  readonly lastId: string | undefined
  kinds(): readonly string[]
  of(kind: string): readonly Readonly<Record<string, unknown>>[]
  /** Resolves when the service has ended the stream. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Follows a service's events. Resolves when the stream is open. @throws Error unless it is answered 200 */
export async function followEvents(url: string, token: string | undefined, lastId?: string): Promise<EventsSeen> {
  const stopping = new AbortController()
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
  }
  const response = await fetch(url, { headers, signal: stopping.signal })
  if (response.status !== 200 || response.body === null) throw new Error(`${url} is answered ${response.status}`)
  const events: { kind: string; data: Record<string, unknown> }[] = []
  let last: string | undefined
  const ended = read(response.body).catch(() => {})
  return {
    events,
    get lastId() {
      return last
    },
    kinds: () => events.map(({ kind }) => kind),
    of: (wanted) => events.filter(({ kind }) => kind === wanted).map(({ data }) => data),
    ended,
    async stop() {
      stopping.abort()
      await ended
    },
  }

  async function read(body: ReadableStream<Uint8Array>): Promise<void> {
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true })
      const frames = text.split('\n\n')
      text = frames.pop() ?? ''
      for (const frame of frames) take(frame)
    }
  }

  function take(frame: string): void {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1]
    const kind = field('event')
    last = field('id') ?? last
    if (kind !== undefined) events.push({ kind, data: JSON.parse(field('data') ?? '{}') as Record<string, unknown> })
  }
}
