import type { DeadLetters, DeadLetterQueueOptions } from '../index.ts'
import type { Stores } from './store-command.ts'

/**
 * The dead letters of the fleet, which are closed with their command. It drops none: how long letters are kept is known to
 * the instances of the fleet, and a command is done before it would sweep.
 */
export function queueOf(
  stores: Stores,
  own: Pick<DeadLetterQueueOptions, 'retentionDays' | 'bodyBytesMax'> = {},
): DeadLetters {
  return stores.open((door, options) => door.redisDeadLetters({ ...options, ...own, sweepEveryMs: weekMs }))
}

const weekMs = 604_800_000
