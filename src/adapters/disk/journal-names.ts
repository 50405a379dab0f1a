/**
 * The files of a journal: `<owner>.<number>-<seed>.<kind>`. The owner is one process's journal; numbers of 16 digits grow,
 * from the time in ms on, so that the files of several owners are in order too; the seed, 8 hexadecimal digits, begins the
 * checksums of its records.
 */
export interface SegmentName {
  readonly owner: string
  readonly number: number
  readonly seed: number
  readonly kind: SegmentKind
}

/**
 * `journal`: records. `whole`: records that stand for everything with a smaller number. `draft`: a `whole` that is not
 * finished. `corrupt`: bytes of the segment with the same number that are no records. `refused`: records that were set
 * aside; renamed to `.journal`, they are read again.
 */
export type SegmentKind = 'journal' | 'whole' | 'draft' | 'corrupt' | 'refused'

const pattern = /^([A-Za-z0-9_-]+)\.(\d{16})-([0-9a-f]{8})\.(journal|whole|draft|corrupt|refused)$/

export function writeName({ owner, number, seed, kind }: SegmentName): string {
  return `${owner}.${String(number).padStart(16, '0')}-${seed.toString(16).padStart(8, '0')}.${kind}`
}

export function readName(name: string): SegmentName | undefined {
  const [, owner, number, seed, kind] = pattern.exec(name) ?? []
  if (owner === undefined || number === undefined || seed === undefined || kind === undefined) return undefined
  return { owner, number: Number(number), seed: Number.parseInt(seed, 16), kind: kind as SegmentKind }
}
