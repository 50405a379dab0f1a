import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Member } from '../../../src/testing/port-contracts/log-fleet.ts'
import { until } from '../../servers/until.ts'

/** The states of a member's link, in order. */
export function states({ links }: Member): readonly string[] {
  return links.map(({ state }) => state)
}

/** Whether each catching up was in a log that is another than before, in order. */
export function epochs({ links }: Member): readonly boolean[] {
  return links.flatMap((link) => (link.state === 'catchingUp' ? [link.newEpoch] : []))
}

/** Waits until the link is in this state. */
export async function linkIs(member: Member, state: 'down' | 'catchingUp' | 'linked'): Promise<void> {
  await until(`the link to be ${state}`, () => member.links.at(-1)?.state === state || undefined)
}

/** What a member was told last of why its link is down. */
export function whyDown({ links }: Member): string {
  const last = links.at(-1)
  return last?.state === 'down' ? last.why : ''
}

/** Does something on a server as an operator would, over a connection of its own. */
export async function asOperator<T>(url: string, work: (jsm: JetStreamManager) => Promise<T>): Promise<T> {
  const nc = await connect({ servers: url, reconnect: false })
  try {
    return await work(await jetstreamManager(nc))
  } finally {
    await nc.close()
  }
}
