import { open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from '../../ports/logger.ts'
import { syncDirectory } from './directory.ts'
import { writeName } from './journal-names.ts'
import { parseRecords } from './journal-record.ts'
import type { Segment } from './segment.ts'

/** How much is read at a time, in bytes; more only where a record is longer. */
const windowBytes = 1_048_576

/** What is not a record in a segment. */
interface Damage {
  readonly damaged: Uint8Array[]
  /** What a crash has left of a record that nobody was told of. */
  cutOff: number
}

/** The records of a segment. What is none is written to a file of its own, and told of. */
export async function* readSegment(segment: Segment, logger: Logger): AsyncGenerator<readonly Uint8Array[]> {
  const damage: Damage = { damaged: [], cutOff: 0 }
  yield* recordsIn(segment, damage)
  if (damage.cutOff > 0) {
    const facts = { file: segment.path, bytes: damage.cutOff }
    logger.warn(facts, 'the last record of a journal was not finished when its process ended; it is left out')
  }
  if (damage.damaged.length > 0) await setAsideDamage(segment, damage.damaged, logger)
}

/** How many records there are in a segment, without regard to what is none. */
export async function countRecords(segment: Segment): Promise<number> {
  let records = 0
  for await (const some of recordsIn(segment, { damaged: [], cutOff: 0 })) records += some.length
  return records
}

async function* recordsIn({ path, name }: Segment, damage: Damage): AsyncGenerator<readonly Uint8Array[]> {
  const handle = await open(path, 'r')
  try {
    let rest: Buffer = Buffer.alloc(0)
    for (let ended = false; !ended;) {
      const window = Buffer.allocUnsafe(Math.max(windowBytes, rest.length))
      const { bytesRead } = await handle.read(window, 0, window.length, null)
      ended = bytesRead === 0
      const bytes = ended ? rest : Buffer.concat([rest, window.subarray(0, bytesRead)])
      const { records, damaged, end, isCut } = parseRecords(bytes, name.seed, ended)
      damage.damaged.push(...damaged)
      rest = bytes.subarray(end)
      if (records.length > 0) yield records
      // Zeros are what a file system leaves where nothing was written yet.
      if (!ended || rest.every((byte) => byte === 0)) continue
      if (isCut) damage.cutOff = rest.length
      else damage.damaged.push(rest)
    }
  } finally {
    await handle.close()
  }
}

async function setAsideDamage({ path, name }: Segment, damaged: readonly Uint8Array[], logger: Logger): Promise<void> {
  const directory = dirname(path)
  const aside = join(directory, writeName({ ...name, kind: 'corrupt' }))
  const bytes = Buffer.concat(damaged)
  // The same again, should the segment be read again.
  await writeFile(aside, bytes, { mode: 0o600, flush: true })
  await syncDirectory(directory)
  logger.error(
    { file: path, aside, bytes: bytes.length, places: damaged.length },
    'a journal is damaged; what is no record was set aside, the rest is read',
  )
}
