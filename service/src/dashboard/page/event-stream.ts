import { ApiError, apiError, authorization } from './api.ts'

export interface StreamListener {
  /** An event, with its data as JSON text. */
  onEvent(kind: string, data: string): void
  onState(state: 'live' | 'lost'): void
  /** The service will not have us; nothing more is tried. */
  onRefused(error: ApiError): void
}

/** How long is waited before the next try, in ms: at first, and at most. */
const waitMs = { first: 500, max: 10_000 }
/** A stream that says nothing for so long is dead, in ms; it has something to say every second. */
const patienceMs = 10_000

/**
 * Follows the service's events by `fetch`, since an `EventSource` cannot show a token. Comes back when it is cut off, and
 * asks for what it has missed. Ends when it is told to.
 */
export async function followEvents(
  types: readonly string[],
  listener: StreamListener,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | undefined
  for (let delayMs = waitMs.first; !signal.aborted; delayMs = Math.min(delayMs * 2, waitMs.max)) {
    try {
      const response = await connect(types, lastId, signal)
      delayMs = waitMs.first
      listener.onState('live')
      await read(response, signal, (frame) => {
        lastId = frame.id ?? lastId
        listener.onEvent(frame.kind, frame.data)
      })
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        listener.onRefused(error)
        return
      }
    }
    if (signal.aborted) return
    listener.onState('lost')
    await new Promise((resolve) => setTimeout(resolve, delayMs * (0.5 + Math.random() / 2)))
  }
}

async function connect(
  types: readonly string[],
  lastId: string | undefined,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(`/v1/events?types=${types.join(',')}`, {
    headers: { ...authorization(), ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
    cache: 'no-store',
    signal,
  })
  if (!response.ok || response.body === null) throw await apiError(response)
  return response.body
}

interface Frame {
  readonly id: string | undefined
  readonly kind: string
  readonly data: string
}

async function read(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  onFrame: (frame: Frame) => void,
): Promise<void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!signal.aborted) {
    const { done, value } = await withPatience(reader)
    if (done) return
    text += decoder.decode(value, { stream: true })
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const parsed = frameOf(frame)
      if (parsed !== undefined) onFrame(parsed)
    }
  }
}

async function withPatience(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const timer = setTimeout(() => void reader.cancel(), patienceMs)
  try {
    return await reader.read()
  } finally {
    clearTimeout(timer)
  }
}

function frameOf(text: string): Frame | undefined {
  let id: string | undefined
  let kind: string | undefined
  let data: string | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4)
    else if (line.startsWith('event: ')) kind = line.slice(7)
    else if (line.startsWith('data: ')) data = line.slice(6)
  }
  return kind === undefined || data === undefined ? undefined : { id, kind, data }
}
