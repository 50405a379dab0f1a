import { createSwitchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { ulid } from 'ulid'
import { encodeEvent } from '../../src/machines/breaker-codec.ts'
import { decide, type Intent } from '../../src/machines/breaker-decide.ts'
import { evolve } from '../../src/machines/breaker-machine.ts'
import { breakerSettings } from '../../src/machines/breaker-options.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import { rawConnection } from './raw-stream.ts'

export interface History {
  readonly fleet: string
  readonly breakers: number
  /** Of each breaker; an even number. */
  readonly events: number
}

/** How many publishes wait for their answers at once. */
const batch = 500

/** A fleet's log as operators could have left it: every event stands on the one before, and all breakers are forced open. */
export async function writeHistory(servers: string, { fleet, breakers, events }: History): Promise<void> {
  const maker = createSwitchgear({ fleet, log: natsLog({ servers }) })
  await maker.ready()
  await maker.close()
  const { nc, js } = await rawConnection(servers)
  const expect = { streamName: `SWITCHGEAR_${fleet}` }
  let seq = 0
  let sent: Promise<unknown>[] = []
  for (let n = 0; n < breakers; n++) {
    const breaker = `host-${n}`
    const subject = `switchgear.v1.${fleet}.log.${breaker}`
    let last = 0
    for (const { id, data } of eventsOf(fleet, breaker, events)) {
      sent.push(js.publish(subject, data, { msgID: id, expect: { ...expect, lastSubjectSequence: last } }))
      last = ++seq
      if (sent.length < batch) continue
      await Promise.all(sent)
      sent = []
    }
  }
  await Promise.all(sent)
  await nc.close()
}

function* eventsOf(fleet: string, breaker: string, events: number): Iterable<{ id: string; data: Uint8Array }> {
  const order = { by: 'an operator', reason: 'migration' }
  let state: FleetState = initialState
  for (let n = 0; n < events; n++) {
    const id = ulid()
    const now = Date.now()
    const intent: Intent = { type: 'order', kind: kindOf(n), order }
    const given = { breaker, fleet, instance: 'a', settings: breakerSettings(), chance: 0.5, logNow: now, wallNow: now }
    const event = decide(intent, { ...given, state, id })
    const next = event?.fact === undefined ? undefined : evolve(state, { fact: event.fact, id, by: event.by, at: now })
    if (event === undefined || next === undefined) throw new Error(`${intent.kind} is of no use`)
    state = next
    yield { id, data: encodeEvent(event) }
  }
}

/** Forced open first and last, with an even number of events. */
function kindOf(n: number): 'forcedOpen' | 'disabled' | 'released' {
  if (n === 1) return 'disabled'
  return n % 2 === 0 && n > 0 ? 'released' : 'forcedOpen'
}
