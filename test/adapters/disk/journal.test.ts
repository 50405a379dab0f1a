import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { diskJournal, type DiskJournalOptions } from '../../../src/adapters/disk/journal.ts'
import { ClosedError, ConfigError, OverCapacityError, UnavailableError } from '../../../src/kernel/errors.ts'
import type { Journal } from '../../../src/ports/journal.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { newFolder } from './folder.ts'

function journalIn(directory: string, options: Partial<DiskJournalOptions> = {}): Journal {
  return diskJournal({
    directory,
    name: 'spill',
    isShared: true,
    bytesMax: 1_073_741_824,
    logger: silentLogger,
    ...options,
  })
}

const alone = { name: 'letters', isShared: false } as const

function append(journal: Journal, ...texts: readonly string[]): Promise<unknown> {
  return Promise.all(texts.map((text) => journal.append(Buffer.from(text))))
}

async function read(journal: Journal): Promise<string[]> {
  const texts: string[] = []
  for await (const part of journal.parts())
    for await (const records of part.batches()) texts.push(...records.map((record) => Buffer.from(record).toString()))
  return texts
}

/** The files of a kind. */
function filesOf(directory: string, kind: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(`.${kind}`))
    .toSorted()
    .map((name) => join(directory, name))
}

/** A journal's only file of records. */
function fileOf(directory: string): string {
  const [file, ...others] = filesOf(directory, 'journal')
  if (file === undefined || others.length > 0) throw new Error('expected one file')
  return file
}

interface Said {
  readonly logger: DiskJournalOptions['logger']
  readonly lines: string[]
}

function listening(): Said {
  const lines: string[] = []
  const at = (level: string) => (facts: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(facts)}`)
  return { lines, logger: { info: at('info'), warn: at('warn'), error: at('error') } }
}

describe('a journal on disk', () => {
  test('gives back what was appended, in its order, bytes of any kind, also to the next process', async () => {
    const directory = join(newFolder(), 'a', 'b')
    const journal = journalIn(directory)
    const texts = ['one', '', 'with\nline feeds\n\n', '00000003 00000000\nabc\n', 'ü€'.repeat(1_000)]
    await append(journal, ...texts)
    expect(journal.records).toBe(5)
    expect(journal.bytes).toBe(statSync(fileOf(directory)).size)
    expect(await read(journal)).toEqual(texts)
    await append(journal, 'later')
    await journal.close()
    const next = journalIn(directory)
    expect(await read(next)).toEqual([...texts, 'later'])
    expect(next.records).toBe(6)
    await next.close()
  })

  test('makes durable together what comes in one turn, and what comes meanwhile', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    const order: number[] = []
    const all = Array.from({ length: 5_000 }, async (_, n) => {
      await journal.append(Buffer.from(String(n)))
      order.push(n)
    })
    await Promise.all(all)
    expect(order).toEqual(Array.from({ length: 5_000 }, (_, n) => n))
    expect(await read(journal)).toEqual(order.map(String))
    await journal.close()
  })

  test('begins another file when one is long, and forgets what is done with part by part', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    const texts = Array.from({ length: 10 }, (_, n) => String(n).repeat(1_048_576))
    for (const text of texts) await append(journal, text)
    expect(filesOf(directory, 'journal').length).toBe(3)
    let seen = 0
    for await (const part of journal.parts()) {
      for await (const records of part.batches()) seen += records.length
      await part.drop()
      expect(journal.records).toBe(10 - seen)
    }
    expect(seen).toBe(10)
    expect([journal.records, journal.bytes, filesOf(directory, 'journal')]).toEqual([0, 0, []])
    await append(journal, 'again')
    expect(await read(journal)).toEqual(['again'])
    await journal.close()
  })

  test('leaves nothing behind when nothing is in it', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    await journal.adopt()
    await journal.close()
    await journal.close()
    expect(readdirSync(directory)).toEqual([])
    await expect(append(journal, 'late')).rejects.toThrow(ClosedError)
    await expect(read(journal)).rejects.toThrow(ClosedError)
  })

  test('writes on closing what was appended before', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    const appended = append(journal, 'a', 'b')
    await journal.close()
    await appended
    const next = journalIn(directory)
    expect(await read(next)).toEqual(['a', 'b'])
    await next.close()
  })

  test('refuses past its bytes, and takes again when there is room', async () => {
    const directory = newFolder()
    const journal = journalIn(directory, { bytesMax: 1_000 })
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => journal.append(Buffer.alloc(100 - 19, 'x'))),
    )
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(10)
    const refusal = results.find((result) => result.status === 'rejected')?.reason as unknown
    expect(refusal).toBeInstanceOf(OverCapacityError)
    expect(refusal).toMatchObject({ bound: 'bytesMax', max: 1_000 })
    expect(String(refusal)).toContain(directory)
    for await (const part of journal.parts()) await part.drop()
    await append(journal, 'y'.repeat(900))
    await journal.close()
  })

  test('says that its place cannot be written to, and works once it can', async () => {
    const directory = join(newFolder(), 'taken')
    writeFileSync(directory, 'a file')
    const journal = journalIn(directory)
    const refused = append(journal, 'a')
    await expect(refused).rejects.toThrow(UnavailableError)
    await expect(refused).rejects.toThrow(directory)
    await expect(journal.adopt()).rejects.toThrow(UnavailableError)
    rmSync(directory)
    await append(journal, 'b')
    expect(await read(journal)).toEqual(['b'])
    await journal.close()
  })

  test('goes on in a new file when its folder was removed under it', async () => {
    const directory = join(newFolder(), 'gone')
    const journal = journalIn(directory)
    await append(journal, 'a')
    rmSync(directory, { recursive: true })
    await append(journal, 'b')
    expect(await read(journal)).toEqual(['b'])
    await journal.close()
  })
})

describe('a journal that was damaged', () => {
  test('does without the end of a record that a crash cut off, wherever that is', async () => {
    for (const left of [1, 8, 17, 18, 20, 117]) {
      const directory = newFolder()
      const journal = journalIn(directory)
      await append(journal, 'whole', 'x'.repeat(100))
      await journal.close()
      const file = fileOf(directory)
      const bytes = readFileSync(file)
      writeFileSync(file, bytes.subarray(0, 24 + left))
      const { logger, lines } = listening()
      const next = journalIn(directory, { logger })
      expect(await read(next)).toEqual(['whole'])
      expect(lines).toEqual([expect.stringMatching(/^warn .*not finished.*"bytes":/)])
      expect(filesOf(directory, 'corrupt')).toEqual([])
      await next.close()
    }
  })

  test('does without zeros at its end', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    await append(journal, 'whole')
    await journal.close()
    appendFileSync(fileOf(directory), Buffer.alloc(5_000))
    const { logger, lines } = listening()
    const next = journalIn(directory, { logger })
    expect(await read(next)).toEqual(['whole'])
    expect(lines).toEqual([])
    await next.close()
  })

  test('sets aside what is no record, says so, and reads the rest, whichever byte it was', async () => {
    const texts = ['first', 'second one', 'third']
    const directory = newFolder()
    const journal = journalIn(directory)
    await append(journal, ...texts)
    await journal.close()
    const file = fileOf(directory)
    const whole = readFileSync(file)
    const begin = 19 + 5
    for (let at = begin; at < begin + 18 + 10; at += 1) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ 0x55
      const folder = newFolder()
      writeFileSync(join(folder, file.slice(directory.length + 1)), bytes)
      const { logger, lines } = listening()
      const next = journalIn(folder, { logger })
      expect(await read(next), `byte ${at}`).toEqual(['first', 'third'])
      expect(await read(next)).toEqual(['first', 'third'])
      expect(lines[0]).toMatch(/^error a journal is damaged/)
      const [aside, ...others] = filesOf(folder, 'corrupt')
      expect(others).toEqual([])
      expect(readFileSync(aside ?? '')).toEqual(bytes.subarray(begin, begin + 29))
      await next.close()
    }
  })

  test('takes nothing that looks like a record within a damaged one for a record', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    const checksum = crc32('forged').toString(16).padStart(8, '0')
    await append(journal, 'before', `\n00000006 ${checksum}\nforged\n`, 'after')
    await journal.close()
    const file = fileOf(directory)
    const bytes = readFileSync(file)
    bytes[25 + 9] = 'x'.charCodeAt(0)
    writeFileSync(file, bytes)
    const next = journalIn(directory)
    expect(await read(next)).toEqual(['before', 'after'])
    await next.close()
  })

  test('keeps records that were set aside in a file, which is read again under another name', async () => {
    const directory = newFolder()
    const journal = journalIn(directory)
    await append(journal, 'good', 'bad', 'worse')
    for await (const part of journal.parts()) {
      for await (const records of part.batches()) for (const record of records.slice(1)) await part.setAside(record)
      await part.drop()
    }
    await journal.close()
    const [refused = ''] = filesOf(directory, 'refused')
    renameSync(refused, refused.replace(/refused$/, 'journal'))
    const next = journalIn(directory)
    expect(await read(next)).toEqual(['bad', 'worse'])
    await next.close()
  })
})

describe('journals of several processes in one folder', () => {
  test('leave each other alone while they live, and take over what was left', async () => {
    const directory = newFolder()
    const [one, other] = [journalIn(directory), journalIn(directory)]
    await append(one, '1')
    await append(other, '2')
    await one.adopt()
    expect(await read(one)).toEqual(['1'])
    await other.close()
    await one.adopt()
    expect(await read(one)).toEqual(['1', '2'])
    expect(one.records).toBe(2)
    await one.close()
    expect(filesOf(directory, 'lock')).toEqual([])
  })

  test('lose nothing when one is taken for dead that lives', async () => {
    const directory = newFolder()
    const [one, other] = [journalIn(directory), journalIn(directory)]
    await append(one, 'a')
    for (const lock of filesOf(directory, 'lock')) rmSync(lock)
    await append(other, 'b')
    await other.adopt()
    await append(one, 'c')
    // What was being written when it was taken over stands in both.
    expect(new Set([...(await read(one)), ...(await read(other))])).toEqual(new Set(['a', 'b', 'c']))
    await one.close()
    await other.close()
  })

  test('do not touch those of another name', async () => {
    const directory = newFolder()
    const letters = journalIn(directory, alone)
    await append(letters, 'x')
    await letters.close()
    const spill = journalIn(directory)
    expect(await read(spill)).toEqual([])
    await spill.close()
    const next = journalIn(directory, alone)
    expect(await read(next)).toEqual(['x'])
    await next.close()
  })
})

describe('a journal that one process has for itself', () => {
  test('refuses another one, naming the process that has it', async () => {
    const directory = newFolder()
    const [one, other] = [journalIn(directory, alone), journalIn(directory, alone)]
    await append(one, 'a')
    const refused = append(other, 'b')
    await expect(refused).rejects.toThrow(ConfigError)
    await expect(refused).rejects.toThrow(String(process.pid))
    await one.close()
    await append(other, 'b')
    expect(await read(other)).toEqual(['a', 'b'])
    await other.close()
  })

  test('can be put anew: the records stand for all before, and later ones come behind', async () => {
    const directory = newFolder()
    const journal = journalIn(directory, alone)
    await append(journal, 'a', 'b')
    expect(await read(journal)).toEqual(['a', 'b'])
    await append(journal, 'c')
    const replaced = journal.replace(['A', 'B'].map((text) => Buffer.from(text)))
    await append(journal, 'd')
    await replaced
    expect(await read(journal)).toEqual(['A', 'B', 'd'])
    expect(journal.records).toBe(3)
    await journal.close()
    const next = journalIn(directory, alone)
    expect(await read(next)).toEqual(['A', 'B', 'd'])
    expect(next.records).toBe(3)
    await next.close()
  })

  test('is as it was when putting it anew fails', async () => {
    const directory = newFolder()
    const journal = journalIn(directory, alone)
    await append(journal, 'a')
    const broken = (function* () {
      yield Buffer.from('A')
      throw new Error('broken')
    })()
    await expect(journal.replace(broken)).rejects.toThrow('broken')
    await append(journal, 'b')
    expect(await read(journal)).toEqual(['a', 'b'])
    expect(filesOf(directory, 'draft')).toEqual([])
    expect(existsSync(join(directory, 'letters.lock'))).toBe(true)
    await journal.close()
  })

  test('makes do with whatever a crash left of putting it anew', async () => {
    const directory = newFolder()
    const journal = journalIn(directory, alone)
    await append(journal, 'a')
    await journal.close()
    const old = fileOf(directory)
    const bytes = readFileSync(old)
    const again = journalIn(directory, alone)
    await again.adopt()
    await again.replace([Buffer.from('A')])
    await again.close()
    // Not yet removed, and another attempt that came no further.
    writeFileSync(old, bytes)
    writeFileSync(join(directory, 'letters.9000000000000000-00000000.draft'), bytes)
    const next = journalIn(directory, alone)
    expect(await read(next)).toEqual(['A'])
    await next.close()
    expect(readdirSync(directory).length).toBe(1)
  })
})
