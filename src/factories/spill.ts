import { join } from 'node:path'
import { z } from 'zod'
import { diskJournal } from '../adapters/disk/journal.ts'
import { count } from '../kernel/options.ts'
import type { LetterStore } from '../ports/letter-store.ts'
import { type SpillingOptions, spillingLetters } from '../streams/dead-letters/spilling-letters.ts'

/** Where letters wait that their store cannot take in time. */
export interface SpillOptions {
  /**
   * A folder of a local disk, which outlives the process and is made when it is not there, with one in it for each fleet.
   * Processes of a fleet that use the same store may share it: what one that is gone has left there, another one replays.
   */
  readonly directory: string
  /** What may wait, with what was set aside in the folder, in bytes; past it `enqueue` rejects. Default 1,073,741,824. */
  readonly bytesMax?: number | undefined
}

export const spillDefaults: { readonly bytesMax: number } = Object.freeze({ bytesMax: 1_073_741_824 })

export const spillSchema: z.ZodType<SpillOptions> = z.strictObject({
  directory: z.string().min(1),
  bytesMax: count.optional(),
})

/** The store itself where nothing is to spill. */
export function spillingTo(
  spill: SpillOptions | undefined,
  store: LetterStore,
  options: SpillingOptions & { readonly fleet: string },
): LetterStore {
  if (spill === undefined) return store
  const { fleet, ...rest } = options
  const directory = join(spill.directory, fleet)
  const bytesMax = spill.bytesMax ?? spillDefaults.bytesMax
  const journal = diskJournal({ directory, name: 'spill', isShared: true, bytesMax, logger: options.logger })
  return spillingLetters(store, journal, rest)
}
