import { crc32 } from 'node:zlib'

/**
 * How a record stands in a segment: `<length> <checksum>`, each in 8 hexadecimal digits, a line feed, the bytes of the
 * record, a line feed (for people's eyes; nobody relies on that one). The checksum is the CRC-32 of the bytes, begun with the seed in the segment's name: so what looks
 * like a record inside of another one, or is left over from another file, is none.
 */
const headBytes = 18
const lineFeed = 10
const space = 32
/** Of a record with what is around it. */
export const frameBytes: number = headBytes + 1

export function frameRecord(record: Uint8Array, seed: number): readonly Uint8Array[] {
  const head = `${hex(record.byteLength)} ${hex(crc32(record, seed))}\n`
  return [Buffer.from(head, 'latin1'), record, ending]
}

const ending = Buffer.from('\n')

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

/** What was understood of a piece of a segment. */
export interface Parsed {
  readonly records: readonly Uint8Array[]
  /** What stands between records and is none. */
  readonly damaged: readonly Uint8Array[]
  /** Where the rest begins, which is not whole: more of the file is needed, or it is what a crash has cut off. */
  readonly end: number
  /** The rest begins as a record does, and ends before it is over. */
  readonly isCut: boolean
}

/** Reads records from the beginning of `bytes`. Unless it is `whole`, what is not understood at the end may be later. */
export function parseRecords(bytes: Buffer, seed: number, whole: boolean): Parsed {
  const records: Uint8Array[] = []
  const damaged: Uint8Array[] = []
  let at = 0
  for (;;) {
    const found = recordAt(bytes, at, seed)
    if (typeof found === 'object') {
      records.push(found)
      at += found.byteLength + frameBytes
      continue
    }
    const isCut = found === 'unfinished'
    const next = isCut && !whole ? undefined : nextRecord(bytes, at, seed)
    if (next === undefined) return { records, damaged, end: at, isCut }
    damaged.push(bytes.subarray(at, next))
    at = next
  }
}

function recordAt(bytes: Buffer, at: number, seed: number): Uint8Array | 'unfinished' | 'none' {
  if (bytes.length - at < headBytes) return 'unfinished'
  if (bytes[at + 8] !== space || bytes[at + 17] !== lineFeed) return 'none'
  const length = hexAt(bytes, at)
  const checksum = hexAt(bytes, at + 9)
  if (length === undefined || checksum === undefined) return 'none'
  const end = at + headBytes + length
  if (end >= bytes.length) return 'unfinished'
  const record = bytes.subarray(at + headBytes, end)
  return crc32(record, seed) === checksum ? record : 'none'
}

function hexAt(bytes: Buffer, at: number): number | undefined {
  const text = bytes.toString('latin1', at, at + 8)
  return /^[0-9a-f]{8}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

/** Where the next whole record begins: behind a line feed. */
function nextRecord(bytes: Buffer, from: number, seed: number): number | undefined {
  for (let at = bytes.indexOf(lineFeed, from) + 1; at > 0; at = bytes.indexOf(lineFeed, at) + 1)
    if (typeof recordAt(bytes, at, seed) === 'object') return at
  return undefined
}
