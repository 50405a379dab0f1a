import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isThere, makeDirectory, syncDirectory } from './directory.ts'
import { type SegmentName, writeName } from './journal-names.ts'

/** A file of records, and what is known to be in it. */
export interface Segment {
  readonly name: SegmentName
  readonly path: string
  bytes: number
  records: number
}

/** A segment that is written to. */
export interface OpenSegment {
  readonly segment: Segment
  /**
   * Makes records durable, all or none. Says whether it did: not when somebody has taken the file over meanwhile.
   * @throws Error of the system; then what was written of them is cut off, and the segment is to be closed.
   */
  write(frames: readonly Uint8Array[], records: number): Promise<boolean>
  close(): Promise<void>
  /** Closes it, and leaves what somebody else has. */
  abandon(): Promise<void>
}

export function segmentIn(directory: string, name: SegmentName): Segment {
  return { name, path: join(directory, writeName(name)), bytes: 0, records: 0 }
}

/** Begins a file. `shared`: others may take it for left behind, and rename it. */
export async function openSegment(directory: string, name: SegmentName, shared: boolean): Promise<OpenSegment> {
  await makeDirectory(directory)
  const segment = segmentIn(directory, name)
  const handle = await open(segment.path, 'wx', 0o600)
  try {
    await syncDirectory(directory)
  } catch (error) {
    await handle.close()
    await rm(segment.path, { force: true })
    throw error
  }

  const close = async (): Promise<void> => {
    await handle.close()
    if (segment.bytes === 0) await rm(segment.path, { force: true })
  }

  return {
    segment,
    close,
    abandon: () => handle.close().catch(() => {}),
    async write(frames, records) {
      try {
        const written = await writeAll(handle, frames, segment.bytes)
        await handle.datasync()
        // Who takes over renames first and reads then: what is here before the name is gone, is read.
        if (shared && !(await isThere(segment.path))) return false
        segment.bytes += written
        segment.records += records
        return true
      } catch (error) {
        await cutOff(handle, segment.bytes)
        throw error
      }
    },
  }
}

/** A call of the system takes no more than 1,024 pieces at once. */
const piecesMax = 1_023

/** Writes all of it, however much the system takes at a time; gives how many bytes that was. */
export async function writeAll(handle: FileHandle, frames: readonly Uint8Array[], from: number): Promise<number> {
  let at = from
  for (let begin = 0; begin < frames.length; begin += piecesMax) {
    const some = frames.slice(begin, begin + piecesMax)
    const length = some.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const { bytesWritten } = await handle.writev(some, at)
    // The rest of a short write says why it was short, most often with an error.
    if (bytesWritten < length) await writeRest(handle, Buffer.concat(some).subarray(bytesWritten), at + bytesWritten)
    at += length
  }
  return at - from
}

async function writeRest(handle: FileHandle, rest: Buffer, from: number): Promise<void> {
  let done = 0
  while (done < rest.length) {
    const { bytesWritten } = await handle.write(rest, done, rest.length - done, from + done)
    done += bytesWritten
  }
}

/** As well as it can be done on a device that has just failed. */
async function cutOff(handle: FileHandle, length: number): Promise<void> {
  try {
    await handle.truncate(length)
    await handle.datasync()
  } catch {
    // The half record at the end is none to whoever reads it.
  }
}
