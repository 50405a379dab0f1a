import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../../kernel/errors.ts'
import { codeOf } from './code-of.ts'
import { makeDirectory } from './directory.ts'
import { readName, type SegmentName } from './journal-names.ts'
import { livingHolder, releaseLock, takeLock } from './process-lock.ts'
import { countRecords } from './read-segment.ts'
import { type Segment, segmentIn } from './segment.ts'

const lockPattern = /^([A-Za-z0-9_-]+)\.lock$/

/** The files of a journal that nobody writes to any more, and how it comes by them. */
export interface JournalFiles {
  /** By their numbers. */
  inOrder(): readonly Segment[]
  count(of: 'bytes' | 'records'): number
  /** What the files take that were set aside in the folder. */
  asideBytes: number
  /** The largest number that was seen. */
  lastNumber: number
  add(segment: Segment): void
  forget(segment: Segment): void
  /** Makes the folder, and takes what earlier processes have left. @throws ConfigError when it is somebody else's */
  open(): Promise<void>
  /** Takes over what processes that are gone have left, where several share the folder. */
  adopt(): Promise<void>
  close(): Promise<void>
}

/** `family`: what the owners' names begin with whose files this one may take over. Without it, nobody else's are taken. */
export function journalFiles(directory: string, owner: string, family: string | undefined): JournalFiles {
  const segments = new Set<Segment>()
  const lockOf = (name: string): string => join(directory, `${name}.lock`)
  let locks: readonly string[] = []

  const take = async (segment: Segment): Promise<void> => {
    files.lastNumber = Math.max(files.lastNumber, segment.name.number)
    segment.bytes = (await stat(segment.path)).size
    segment.records = await countRecords(segment)
    segments.add(segment)
  }

  const list = async (): Promise<readonly SegmentName[]> => {
    const found = await readdir(directory)
    locks = found.map((name) => lockPattern.exec(name)?.[1]).filter((name) => name !== undefined)
    const names = found.map(readName).filter((name) => name !== undefined)
    const aside = names.filter(({ kind }) => kind === 'corrupt' || kind === 'refused')
    const sizes = aside.map(async (name) => {
      const found = await stat(segmentIn(directory, name).path).catch(() => undefined)
      return found?.size ?? 0
    })
    files.asideBytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
    return names
  }

  /** What an earlier process has left: from the last that stands for everything before it. */
  const takeOwn = async (): Promise<void> => {
    const names = (await list()).filter(
      ({ owner: of, kind }) => of === owner && kind !== 'corrupt' && kind !== 'refused',
    )
    const from = Math.max(0, ...names.filter(({ kind }) => kind === 'whole').map(({ number }) => number))
    for (const name of names) {
      const segment = segmentIn(directory, name)
      if (name.kind === 'draft' || name.number < from) await rm(segment.path, { force: true })
      else await take(segment)
    }
  }

  const takeOver = async (name: SegmentName): Promise<void> => {
    const segment = segmentIn(directory, { ...name, owner })
    try {
      await rename(segmentIn(directory, name).path, segment.path)
    } catch (error) {
      // Another process was faster.
      if (codeOf(error) === 'ENOENT') return
      throw error
    }
    await take(segment)
  }

  const takeOthers = async (): Promise<void> => {
    const names = (await list()).filter(({ kind }) => kind === 'journal')
    for (const left of new Set([...names.map((name) => name.owner), ...locks])) {
      if (left === owner || family === undefined || !left.startsWith(family)) continue
      if ((await livingHolder(lockOf(left))) !== undefined) continue
      for (const name of names) if (name.owner === left) await takeOver(name)
      await releaseLock(lockOf(left))
    }
  }

  const files: JournalFiles = {
    asideBytes: 0,
    lastNumber: 0,
    inOrder: () => [...segments].toSorted((a, b) => a.name.number - b.name.number),
    count(of) {
      let sum = 0
      for (const segment of segments) sum += segment[of]
      return sum
    },
    add: (segment) => void segments.add(segment),
    forget: (segment) => void segments.delete(segment),
    async open() {
      await makeDirectory(directory)
      const holder = await takeLock(lockOf(owner))
      if (holder !== undefined)
        throw new ConfigError('directory', `${directory} is in use by process ${holder.pid}; give each process its own`)
      if (family !== undefined) return takeOthers()
      segments.clear()
      await takeOwn()
    },
    async adopt() {
      await takeOthers()
    },
    close: () => releaseLock(lockOf(owner)),
  }
  return files
}
