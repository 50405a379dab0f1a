import type { Sending } from '../channels/channel.ts'
import { type Channels, sendBy } from '../channels/channels.ts'
import type { Organizations, Receiver } from '../config/organizations.ts'
import { askedToWaitMs } from './asked-to-wait.ts'
import type { Holds } from './holds.ts'

export interface SendParts {
  readonly channels: Channels
  readonly organizations: Organizations
  readonly holds: Holds
}

/**
 * Makes one attempt to send a message, for the first time or again. A destination that asks to be left alone is, for no
 * longer than its organization's messages are worth sending.
 */
export async function sendMessage(
  { channels, organizations, holds }: SendParts,
  { name, target, destination }: Receiver,
  sending: Omit<Sending, 'receiver' | 'target'>,
): Promise<void> {
  try {
    await sendBy(channels, { ...sending, receiver: name, target })
  } catch (error) {
    const waitMs = Math.min(askedToWaitMs(error), organizations.get(sending.alert.organization)?.maxAgeMs ?? Infinity)
    if (waitMs > 0) holds.hold(destination, waitMs)
    throw error
  }
}
