import type { DeliveryParts } from '../delivery/start-delivery.ts'
import { type RedriveDesk, redriveDesk } from './redrive-desk.ts'
import { resender } from './resender.ts'

/** Starts working on redrives, those also that were left behind. The desk is its starter's to drain. */
export function startRedrives({ engine, ...parts }: Omit<DeliveryParts, 'gauge' | 'opened'>): RedriveDesk {
  const { organizations, logger } = parts
  const { gear, retry } = engine
  const { deadLetters } = gear
  return redriveDesk({
    deadLetters,
    resender: resender({ ...parts, gear, deadLetters, retry }),
    organizations,
    logger,
  })
}
