import { context, trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { httpSender } from '../src/channels/http-sender.ts'
import { webhookChannel } from '../src/channels/webhook.ts'
import { readTraceparent } from '../src/telemetry/traceparent.ts'
import { startHttpEndpoint } from './servers/http-endpoint.ts'
import { lettersClient } from './servers/letters-client.ts'
import { hookAt, type SharedService, startSharedService } from './servers/shared-service.ts'

const sender = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const alert = { organization: 'acme', severity: 'high', status: 'firing', type: 'disk', title: 'Full', message: 'm' }

let service: SharedService
beforeAll(async () => {
  service = await startSharedService({
    organizations: { acme: { receivers: [hookAt('good.example')] } },
    engine: { retry: { maxAttempts: 1 } },
  })
})
afterEach(() => {
  trace.disable()
  context.disable()
})
afterAll(() => service.stop())

/** The id of an alert that was posted with this header. */
async function post(traceparent: string | undefined): Promise<string> {
  const headers = { 'content-type': 'application/json', ...(traceparent === undefined ? {} : { traceparent }) }
  const answer = await fetch(`${service.url}/v1/alerts`, { method: 'POST', headers, body: JSON.stringify(alert) })
  const { alerts } = (await answer.json()) as { alerts: { id: string }[] }
  return alerts[0]?.id ?? ''
}

/** What the webhook of this alert came with. */
async function arrivedWith(id: string): Promise<string | undefined> {
  const sending = await until('the alert to arrive', () => service.arrived.find((sent) => sent.alert.id === id))
  return sending.traceparent
}

const sentWith = async (traceparent: string | undefined) => arrivedWith(await post(traceparent))

describe('the trace of an alert', () => {
  it.each([
    ['a traceparent', sender, true],
    ['a later version with more fields', `01${sender.slice(2)}-what-is-new`, true],
    ['version 00 with more fields', `${sender}-more`, false],
    ['the version that is none', `ff${sender.slice(2)}`, false],
    ['a trace of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, false],
    ['capital letters', sender.toUpperCase(), false],
    ['several headers', [sender, sender], false],
    ['nothing', undefined, false],
  ])('reads %s, or passes it over', (_, given, isOne) => {
    expect(readTraceparent(given)).toBe(isOne ? given : undefined)
  })

  it('goes from the request through the store to the send, as it is where nobody traces', async () => {
    expect(await sentWith(sender)).toBe(sender)
    expect(await sentWith('nonsense')).toBeUndefined()
    expect(await sentWith(undefined)).toBeUndefined()
  })

  it('goes with a dead letter that is sent again', async () => {
    const { letters, redrive } = lettersClient(service.url)
    service.dead.add('good.example')
    const id = await post(sender)
    const letter = await until('the letter', async () => (await letters())[0])
    service.dead.clear()
    await redrive({ ids: [letter.id] })
    expect(await arrivedWith(id)).toBe(sender)
  })

  it('stands in the header of a webhook, and not in its signed body', async () => {
    const endpoint = await startHttpEndpoint()
    const http = httpSender({ allowPrivate: true })
    try {
      await webhookChannel(http).send({
        messageId: 'm-1',
        alert: { ...alert, severity: 'high', status: 'firing', id: 'a-1', labels: {}, acceptedAt: 0 },
        receiver: 'hook',
        target: {
          kind: 'webhook',
          url: `${endpoint.url}/alerts`,
          secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
        },
        reached: new Set(),
        refused: new Map(),
        signal: new AbortController().signal,
        traceparent: sender,
      })
      expect(endpoint.requests[0]?.headers['traceparent']).toBe(sender)
      expect(endpoint.requests[0]?.body).not.toContain('traceparent')
    } finally {
      await http.close()
      await endpoint.close()
    }
  })

  it('has a span for the attempt where an SDK is registered, which the other side goes on from', async () => {
    const spans = new InMemorySpanExporter()
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
    const sent = await sentWith(sender)
    const span = await until('the span to end', () => spans.getFinishedSpans()[0])
    expect(span.name).toBe('switchgear.attempt')
    expect(span.parentSpanContext?.spanId).toBe('00f067aa0ba902b7')
    expect(span.attributes).toMatchObject({
      'switchgear.channel': 'webhook',
      'switchgear.breaker': 'webhook:good.example',
    })
    expect(sent).toBe(`00-4bf92f3577b34da6a3ce929d0e0e4736-${span.spanContext().spanId}-01`)
  })
})
