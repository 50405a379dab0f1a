import type { Target } from '../config/organizations.ts'
import type { Channel, Sending } from './channel.ts'

/** The ways out, by the kind of a receiver's target. */
export type Channels = { readonly [Kind in Exclude<Target['kind'], 'outbox'>]?: Channel<Kind> }

/** Makes one attempt, by the channel that the target is of. What goes to the outbox is not sent. */
export function sendBy(channels: Channels, sending: Sending): Promise<void> {
  switch (sending.target.kind) {
    case 'email':
      return channelOf(channels.email).send({ ...sending, target: sending.target })
    case 'slack':
      return channelOf(channels.slack).send({ ...sending, target: sending.target })
    case 'webhook':
      return channelOf(channels.webhook).send({ ...sending, target: sending.target })
    case 'outbox':
      return Promise.resolve()
  }
}

function channelOf<C>(channel: C | undefined): C {
  if (channel === undefined) throw new TypeError('the channel was not opened')
  return channel
}
