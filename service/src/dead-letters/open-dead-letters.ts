import { type DeadLetters, memoryDeadLetters } from 'switchgear'
import type { Settings } from '../settings.ts'

/** Where letters are kept: in Redis, shared by all instances, or in files of this one. */
export function openDeadLetters(_settings: Settings): DeadLetters {
  return memoryDeadLetters({})
}
