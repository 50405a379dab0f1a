import { open, rename, rm } from 'node:fs/promises'
import { syncDirectory } from './directory.ts'
import { frameBytes, frameRecord } from './journal-record.ts'
import { type Segment, segmentIn, writeAll } from './segment.ts'

/** How much is written at a time, in bytes. */
const windowBytes = 1_048_576

/**
 * Writes a segment that stands for everything before it: under the name of a draft, which a crash leaves behind and nobody
 * reads, and then under its own.
 */
export async function writeWhole(directory: string, draft: Segment, records: Iterable<Uint8Array>): Promise<Segment> {
  const whole = segmentIn(directory, { ...draft.name, kind: 'whole' })
  try {
    const handle = await open(draft.path, 'wx', 0o600)
    try {
      let frames: Uint8Array[] = []
      let bytes = 0
      const write = async (): Promise<void> => {
        whole.bytes += await writeAll(handle, frames, whole.bytes)
        frames = []
        bytes = 0
      }
      for (const record of records) {
        frames.push(...frameRecord(record, draft.name.seed))
        bytes += record.byteLength + frameBytes
        whole.records += 1
        if (bytes >= windowBytes) await write()
      }
      await write()
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(draft.path, whole.path)
  } catch (error) {
    await rm(draft.path, { force: true }).catch(() => {})
    throw error
  }
  await syncDirectory(directory)
  return whole
}

/** Puts a record behind those that were set aside before. */
export async function appendAside(directory: string, path: string, frames: readonly Uint8Array[]): Promise<void> {
  const handle = await open(path, 'a', 0o600)
  try {
    await handle.appendFile(Buffer.concat(frames))
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await syncDirectory(directory)
}
