import { jetstream } from '@nats-io/jetstream'
import { connect, headers, type MsgHdrs } from '@nats-io/transport-node'
import { fleetSubjects } from '../../src/adapters/nats/subjects.ts'
import { encodeEvent, wireType } from '../../src/machines/breaker-codec.ts'
import { noCounts } from '../../src/machines/breaker-decide.ts'
import { describeAfter, type BreakerEvent, type Fact } from '../../src/machines/breaker-events.ts'
import { evolve } from '../../src/machines/breaker-machine.ts'
import type { FleetState } from '../../src/machines/fleet-state.ts'

/** Somebody who writes into a log without being an instance. */
export interface RawLog {
  /** Stores a message, if `expected` is the last of its breaker; gives its sequence. */
  append(message: RawMessage): Promise<number>
  /** The same without waiting for an answer; the server passes over what does not follow. */
  send(message: RawMessage): void
  /** Everything that was sent has reached the server. */
  flush(): Promise<void>
  end(): Promise<void>
}

export interface RawMessage {
  readonly breaker: string
  readonly id: string
  readonly expected: number
  readonly data: Uint8Array
}

export async function writeRaw(server: string, fleet: string): Promise<RawLog> {
  const nc = await connect({ servers: server })
  const js = jetstream(nc)
  const { logOf, stream } = fleetSubjects(fleet)
  return {
    async append({ breaker, id, expected, data }) {
      const expect = { lastSubjectSequence: expected, streamName: stream }
      return (await js.publish(logOf(breaker), data, { msgID: id, expect })).seq
    },
    send: (message) => nc.publish(logOf(message.breaker), message.data, { headers: headersOf(message) }),
    flush: () => nc.flush(),
    end: () => nc.close(),
  }
}

function headersOf({ id, expected }: RawMessage): MsgHdrs {
  const given = headers()
  given.set('Nats-Msg-Id', id)
  given.set('Nats-Expected-Last-Subject-Sequence', String(expected))
  return given
}

/** An event as an instance would write it, and the state that it leads to if it is stored at `at`. */
export function author(
  fleet: string,
  { breaker, id, before, fact, at }: Authored,
): { readonly event: BreakerEvent; readonly data: Uint8Array; readonly state: FleetState } {
  const by = 'author'
  const happened = { fact, id, by, at }
  const state = evolve(before, happened)
  if (state === undefined) throw new Error(`${fact.type} does not follow upon ${before.mode}`)
  const event: BreakerEvent = {
    id,
    breaker,
    fleet,
    by,
    time: at,
    from: before.mode,
    to: state.mode,
    term: state.term,
    reason: 'written by a test',
    counts: noCounts,
    notBefore: null,
    validUntil: at + 60_000,
    before,
    after: describeAfter(state, happened),
    fact,
    type: wireType(fact.type),
  }
  return { event, data: encodeEvent(event), state }
}

export interface Authored {
  readonly breaker: string
  readonly id: string
  readonly before: FleetState
  readonly fact: Fact
  /** Log time, in ms. */
  readonly at: number
}
