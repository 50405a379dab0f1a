import { randomBytes, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClosedError, OverCapacityError, SwitchgearError, UnavailableError } from '../../kernel/errors.ts'
import type { Journal, JournalPart } from '../../ports/journal.ts'
import type { Logger } from '../../ports/logger.ts'
import { codeOf } from './code-of.ts'
import { groupCommit } from './group-commit.ts'
import { journalFiles } from './journal-files.ts'
import { type SegmentName, writeName } from './journal-names.ts'
import { frameBytes, frameRecord } from './journal-record.ts'
import { readSegment } from './read-segment.ts'
import { type OpenSegment, openSegment, type Segment, segmentIn } from './segment.ts'
import { appendAside, writeWhole } from './write-file.ts'

export interface DiskJournalOptions {
  /** Made when it is not there. */
  readonly directory: string
  /** Begins the names of its files: journals of several kinds may stand in one folder. Letters, digits, `_`. */
  readonly name: string
  /** Whether several processes may have one there, each its own files; else there is one, of one process at a time. */
  readonly isShared: boolean
  /** What the files of the journal, and those that were set aside in its folder, may take, in bytes. */
  readonly bytesMax: number
  /** Hears of damage. */
  readonly logger: Logger
}

/** A file that is as long is written to no more, in bytes. */
const segmentBytes = 4_194_304

/** A journal in files of a folder: see `journal-names.ts` for their names, `journal-record.ts` for what stands in them. */
export function diskJournal({ directory, name, isShared, bytesMax, logger }: DiskJournalOptions): Journal {
  const owner = isShared ? `${name}-${randomUUID()}` : name
  const seed = randomBytes(4).readUInt32BE()
  const place = `the journal in ${directory}`
  const files = journalFiles(directory, owner, isShared ? `${name}-` : undefined)
  let active: OpenSegment | undefined
  let opening: Promise<void> | undefined
  let isOpen = false
  let isClosed = false

  /** Whatever the system says is an outage of this place. */
  const reaching = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof SwitchgearError) throw error
      throw new UnavailableError(place, error instanceof Error ? error.message : String(error), { cause: error })
    }
  }

  const open = async (): Promise<void> => {
    try {
      await reaching(files.open())
      isOpen = true
    } catch (error) {
      // The next who asks tries again.
      opening = undefined
      throw error
    }
  }

  const ready = (): Promise<void> => {
    if (isClosed) return Promise.reject(new ClosedError(place))
    opening ??= open()
    return opening
  }

  const count = (of: 'bytes' | 'records'): number => files.count(of) + (active?.segment[of] ?? 0)

  const nextName = (kind: 'journal' | 'draft'): SegmentName => {
    files.lastNumber = Math.max(Date.now(), files.lastNumber + 1)
    return { owner, number: files.lastNumber, seed, kind }
  }

  /** Ends the file that is written to; the next record begins another one. */
  const seal = async (): Promise<void> => {
    const ending = active
    active = undefined
    if (ending !== undefined && ending.segment.bytes > 0) files.add(ending.segment)
    await ending?.close()
  }

  const write = async (frames: readonly Uint8Array[], records: number): Promise<void> => {
    active ??= await openSegment(directory, nextName('journal'), isShared)
    let isOurs: boolean
    try {
      isOurs = await active.write(frames, records)
    } catch (error) {
      // What a device did not write it may have forgotten without a word: that file is not written to again.
      await seal().catch(() => {})
      throw error
    }
    if (!isOurs) {
      const lost = active
      active = undefined
      await lost.abandon()
      return write(frames, records)
    }
    if (active.segment.bytes >= segmentBytes) await seal().catch(() => {})
  }

  const commits = groupCommit({
    write: (frames, records) => reaching(write(frames, records)),
    groupBytesMax: segmentBytes,
    what: place,
  })

  const drop = async (segment: Segment): Promise<void> => {
    await rm(segment.path, { force: true })
    files.forget(segment)
  }

  const partOf = (segment: Segment): JournalPart => ({
    id: segment.path,
    async *batches() {
      try {
        yield* readSegment(segment, logger)
      } catch (error) {
        // Somebody has taken it over.
        if (isShared && codeOf(error) === 'ENOENT') files.forget(segment)
        else await reaching(Promise.reject(error))
      }
    },
    async setAside(record) {
      const path = join(directory, writeName({ ...segment.name, owner: `${name}-refused`, kind: 'refused' }))
      await reaching(appendAside(directory, path, frameRecord(record, segment.name.seed)))
      files.asideBytes += record.byteLength + frameBytes
    },
    drop: () => reaching(drop(segment)),
  })

  return {
    get records() {
      return count('records')
    },
    get bytes() {
      return count('bytes')
    },
    async append(record) {
      if (!isOpen || isClosed) await ready()
      const bytes = record.byteLength + frameBytes
      if (count('bytes') + files.asideBytes + commits.waitingBytes + bytes > bytesMax)
        throw new OverCapacityError(place, 'bytesMax', bytesMax)
      return commits.add(frameRecord(record, seed), bytes)
    },
    async *parts() {
      await ready()
      const older = new Set(files.inOrder())
      for (const segment of older) yield partOf(segment)
      // Not before: who comes again and again while nothing can be done makes no file each time.
      await reaching(commits.between(seal))
      for (const segment of files.inOrder()) if (!older.has(segment)) yield partOf(segment)
    },
    async adopt() {
      if (isOpen) await reaching(files.adopt())
      else await ready()
    },
    async replace(records) {
      const before = files.inOrder()
      const sealing = active
      active = undefined
      const draft = segmentIn(directory, nextName('draft'))
      if (sealing !== undefined) files.add(sealing.segment)
      await reaching(sealing?.close() ?? Promise.resolve())
      files.add(await reaching(writeWhole(directory, draft, records)))
      for (const segment of sealing === undefined ? before : [...before, sealing.segment]) await reaching(drop(segment))
    },
    async close() {
      if (isClosed) return
      isClosed = true
      await opening?.catch(() => {})
      await reaching(commits.between(seal))
      if (isOpen) await reaching(files.close())
    },
  }
}
