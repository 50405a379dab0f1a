import type { ServerResponse } from 'node:http'
import { type EventKind, type ServiceEvent, eventKinds } from './event-hub.ts'
import type { LiveView, Onlooking } from './live-view.ts'

/** Clients at once. */
export const streamsMax = 200
/** What may wait for one client, in bytes; one that is slower is cut off, and may come back for what it has missed. */
export const waitingBytesMax = 1_048_576
/** How often is shown that the stream lives, in ms; how often the summary is told. */
const heartbeatMs = 15_000
const summaryMs = 1_000

/** What a client wants to hear. */
export type StreamKind = EventKind | 'summary'

export const streamKinds: readonly StreamKind[] = Object.freeze([...eventKinds, 'summary'] as const)

export interface StreamRequest extends Onlooking {
  readonly kinds: ReadonlySet<StreamKind>
  /** The last event that the client has. */
  readonly lastEventId: string | undefined
}

/** Server-sent events, to every client its own. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
export interface EventStreams {
  readonly isFull: boolean
  /** Writes to it until one of both sides ends it. */
  open(response: ServerResponse, request: StreamRequest): void
  /** Ends all. */
  close(): void
}

interface Stream {
  readonly request: StreamRequest
  write(text: string): void
  end(): void
}

export function createEventStreams(live: Pick<LiveView, 'hub' | 'summary'>): EventStreams {
  const streams = new Set<Stream>()
  let timers: readonly NodeJS.Timeout[] = []
  let unlisten = (): void => {}

  return {
    get isFull() {
      return streams.size >= streamsMax
    },
    open(response, request) {
      const stream = streamOver(response, request, () => leave(stream))
      if (streams.size === 0) begin()
      streams.add(stream)
      welcome(stream)
    },
    close() {
      for (const stream of streams) stream.end()
    },
  }

  /** What the client has missed, or that it has to ask for everything anew. */
  function welcome(stream: Stream): void {
    const missed = missedBy(stream.request)
    const begin = framed(missed === undefined ? 'reset' : 'ready', '{}', missed ? undefined : live.hub.lastId)
    stream.write(`retry: 1000\n${begin}${missed ?? ''}`)
    if (stream.request.kinds.has('summary')) stream.write(summaryFor(stream))
  }

  /** `undefined` where that is not known any more, or more than may wait: who was cut off for that would be so again. */
  function missedBy(request: StreamRequest): string | undefined {
    if (request.lastEventId === undefined) return ''
    const missed = live.hub.after(request.lastEventId)?.filter((event) => isHeard(request, event))
    const text = missed?.map(frameOf).join('')
    return text === undefined || Buffer.byteLength(text) > waitingBytesMax / 2 ? undefined : text
  }

  /** Nothing runs while nobody listens. */
  function begin(): void {
    unlisten = live.hub.listen((event) => {
      for (const stream of streams) tell(stream, event)
    })
    timers = [setInterval(heartbeat, heartbeatMs).unref(), setInterval(summarize, summaryMs).unref()]
  }

  function leave(stream: Stream): void {
    if (!streams.delete(stream) || streams.size > 0) return
    unlisten()
    for (const timer of timers) clearInterval(timer)
  }

  function heartbeat(): void {
    for (const stream of streams) stream.write(': still here\n\n')
  }

  /** Those who see the same are told the same. */
  function summarize(): void {
    const made = new Map<string | undefined, string>()
    for (const stream of streams) {
      const { kinds, organization } = stream.request
      if (!kinds.has('summary')) continue
      const text = made.get(organization) ?? summaryFor(stream)
      made.set(organization, text)
      stream.write(text)
    }
  }

  function summaryFor({ request }: Stream): string {
    return framed('summary', JSON.stringify(live.summary(request)))
  }
}

function tell({ request, write }: Stream, event: ServiceEvent): void {
  if (isHeard(request, event)) write(frameOf(event))
}

function isHeard({ kinds, organization, seesBreaker }: StreamRequest, { kind, subject }: ServiceEvent): boolean {
  if (!kinds.has(kind)) return false
  if (kind === 'transition') return seesBreaker(subject)
  return organization === undefined || organization === subject
}

function frameOf({ kind, text, id }: ServiceEvent): string {
  return framed(kind, text, id)
}

/** JSON has no line breaks of its own: one line of data is enough. */
function framed(event: string, data: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`
}

function streamOver(response: ServerResponse, request: StreamRequest, onEnd: () => void): Stream {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    // Else a stream that the service has ended would be a connection that it waits for.
    connection: 'close',
    'x-content-type-options': 'nosniff',
  })
  response.socket?.setNoDelay(true)
  response.once('close', onEnd)
  // A client that goes away in the middle of a write is no trouble of ours.
  response.on('error', () => {})
  return {
    request,
    write(text) {
      if (response.destroyed || response.writableEnded) return
      response.write(text)
      if (response.writableLength > waitingBytesMax) response.destroy()
    },
    end: () => void response.end(),
  }
}
