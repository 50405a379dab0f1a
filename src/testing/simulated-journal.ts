import { OverCapacityError, UnavailableError } from '../kernel/errors.ts'
import type { Journal, JournalPart } from '../ports/journal.ts'

export interface SimulatedJournal extends Journal {
  /** Its place cannot be written to as long as this says so. */
  isAway: boolean
  /** What was set aside. */
  readonly aside: readonly Uint8Array[]
}

interface Part {
  readonly id: string
  readonly records: Uint8Array[]
}

/** A journal in memory, which outlives the processes of a simulation, with room for so many bytes. */
export function simulatedJournal({ bytesMax }: { readonly bytesMax: number }): SimulatedJournal {
  let parts: Part[] = []
  let names = 0
  let open: Part | undefined
  const aside: Uint8Array[] = []
  const all = (): readonly Uint8Array[] => parts.flatMap(({ records }) => records)
  const bytes = (): number => all().reduce((sum, { byteLength }) => sum + byteLength, 0)

  const partOf = (part: Part): JournalPart => ({
    id: part.id,
    async *batches() {
      for (let at = 0; at < part.records.length; at += 3) yield part.records.slice(at, at + 3)
    },
    setAside: async (record) => void aside.push(record),
    async drop() {
      parts = parts.filter((other) => other !== part)
    },
  })

  const begin = (): Part => {
    open = { id: String((names += 1)), records: [] }
    parts.push(open)
    return open
  }

  const journal: SimulatedJournal = {
    isAway: false,
    aside,
    get records() {
      return all().length
    },
    get bytes() {
      return bytes()
    },
    async append(record) {
      if (journal.isAway) throw new UnavailableError('the journal', 'its disk is full')
      if (bytes() + record.byteLength > bytesMax) throw new OverCapacityError('the journal', 'bytesMax', bytesMax)
      const { records } = open ?? begin()
      records.push(record)
    },
    async *parts() {
      open = undefined
      for (const part of [...parts]) yield partOf(part)
    },
    adopt: async () => {},
    async replace(records) {
      parts = []
      begin().records.push(...records)
    },
    close: async () => {},
  }
  return journal
}
