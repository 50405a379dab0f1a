import { z } from 'zod'
import type { BreakerEvent, Fact, FactType, StateAfter } from './breaker-events.ts'
import type { FleetState } from './fleet-state.ts'

const prefix = 'io.switchgear.breaker.'
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** An event as it crosses the network: CloudEvents 1.0, structured JSON. */
export function encodeEvent(event: BreakerEvent): Uint8Array {
  const { id, breaker, fleet, by, time, fact, notBefore, validUntil, before, after, from, to, term, reason, counts } =
    event
  return encoder.encode(
    JSON.stringify({
      specversion: '1.0',
      id,
      source: `/switchgear/${fleet}/${encodeURIComponent(by)}`,
      subject: breaker,
      type: event.type,
      time: new Date(time).toISOString(),
      datacontenttype: 'application/json',
      ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
      data: {
        from,
        to,
        term,
        by,
        reason,
        counts,
        ...(fact === undefined ? {} : factData(fact)),
        notBefore: notBefore === null ? null : new Date(notBefore).toISOString(),
        validUntil: new Date(validUntil).toISOString(),
        before,
        after,
      },
    }),
  )
}

/** The type on the wire of a fact of this version. */
export function wireType(type: FactType): string {
  return `${prefix}${type}.v1`
}

/**
 * Reads an event. A type or version that is not known has no `fact` and is taken by its `after`; unknown fields are
 * passed over.
 * @throws Error that says what is wrong, for bytes that are no event.
 */
export function decodeEvent(bytes: Uint8Array): BreakerEvent {
  const { data, id, source, subject, type, time, traceparent } = envelope.parse(JSON.parse(decoder.decode(bytes)))
  const { from, to, term, by, reason, counts, notBefore, validUntil, before, after } = data
  return {
    id,
    breaker: subject,
    fleet: source.split('/')[2] ?? '',
    by,
    time,
    from,
    to,
    term,
    reason,
    counts,
    ...(traceparent === undefined ? {} : { traceparent }),
    notBefore,
    validUntil,
    before,
    after,
    fact: readFact(type, data, after),
    type,
  }
}

/** The facts of an event as they stand in `data`; those of `restored` are its `after`. */
function factData(fact: Fact): object {
  if (fact.type === 'restored') return {}
  const { type: _, ...facts } = fact
  return facts
}

function readFact(type: string, data: unknown, after: StateAfter): Fact | undefined {
  const name = type.startsWith(prefix) && type.endsWith('.v1') ? type.slice(prefix.length, -'.v1'.length) : ''
  if (name === 'restored') return { type: 'restored', state: after }
  if (!Object.hasOwn(facts, name)) return undefined
  return facts[name as keyof typeof facts].parse(data)
}

const ms = z.number().nonnegative()
const logTime = z.number()
const whole = z.number().int().nonnegative()
const isoTime = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))
const mode = z.enum(['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled'])
const order = z.object({ by: z.string(), reason: z.string(), forMs: ms.exactOptional() })

const facts = {
  voted: z.object({}).transform(() => ({ type: 'voted' }) as const),
  opened: z.object({ quorum: whole, retryAfterMs: ms }).transform((data) => ({ type: 'opened', ...data }) as const),
  probeClaimed: z
    .object({ leaseMs: ms, attempt: whole })
    .transform((data) => ({ type: 'probeClaimed', ...data }) as const),
  probePassed: z.object({ fence: z.string() }).transform((data) => ({ type: 'probePassed', ...data }) as const),
  probeReleased: z.object({ fence: z.string() }).transform((data) => ({ type: 'probeReleased', ...data }) as const),
  closed: z.object({ fence: z.string() }).transform((data) => ({ type: 'closed', ...data }) as const),
  reopened: z
    .object({ fence: z.string(), retryAfterMs: ms })
    .transform((data) => ({ type: 'reopened', ...data }) as const),
  forcedOpen: z.object({ order }).transform((data) => ({ type: 'forcedOpen', ...data }) as const),
  disabled: z.object({ order }).transform((data) => ({ type: 'disabled', ...data }) as const),
  released: z.object({ order: order.exactOptional() }).transform((data) => ({ type: 'released', ...data }) as const),
}

const stateBase = { mode, term: whole, failedRecoveries: whole, passes: whole, attempts: whole.default(0) }

const stateBefore: z.ZodType<FleetState> = z.object({
  ...stateBase,
  votes: z.array(z.object({ voter: z.string(), at: logTime })),
  retryAt: logTime.exactOptional(),
  lease: z.object({ fence: z.string(), holder: z.string(), attempt: whole, until: logTime }).exactOptional(),
  order: z.object({ by: z.string(), reason: z.string(), until: logTime.exactOptional() }).exactOptional(),
})

const stateAfter: z.ZodType<StateAfter> = z.object({
  ...stateBase,
  votes: z.array(z.object({ voter: z.string(), at: logTime.exactOptional() })),
  retryAt: logTime.exactOptional(),
  retryAfterMs: z.number().exactOptional(),
  lease: z
    .object({
      holder: z.string(),
      attempt: whole,
      leaseMs: ms.exactOptional(),
      fence: z.string().exactOptional(),
      until: logTime.exactOptional(),
    })
    .exactOptional(),
  order: z
    .object({ by: z.string(), reason: z.string(), forMs: z.number().exactOptional(), until: logTime.exactOptional() })
    .exactOptional(),
})

const envelope = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string(),
  subject: z.string(),
  type: z.string(),
  time: isoTime,
  // What cannot be read of it is no reason to pass over the event.
  traceparent: z.string().optional().catch(undefined),
  data: z.looseObject({
    from: mode,
    to: mode,
    term: whole,
    by: z.string(),
    reason: z.string(),
    counts: z.object({ calls: whole, failures: whole, slow: whole, consecutiveFailures: whole }),
    notBefore: isoTime.nullable(),
    validUntil: isoTime,
    before: stateBefore,
    after: stateAfter,
  }),
})
