import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { inspect } from 'node:util'
import { z } from 'zod'

/** A case that failed: its law, and where it is among the cases of a seed. */
export interface FailedCase {
  readonly law: string
  readonly seed: number
  readonly path: string
}

/** Failing cases of one configuration, kept between runs. */
export interface Failures {
  /** Those of a law, the newest first. */
  of(law: string): readonly FailedCase[]
  add(failed: FailedCase): void
  /** It fails no more. */
  drop(failed: FailedCase): void
}

/** So many are kept, of all configurations; the oldest make room. */
export const failuresMax = 200

const schema = z.array(z.strictObject({ of: z.string(), law: z.string(), seed: z.number(), path: z.string() }))

type Entry = z.infer<typeof schema>[number]

/**
 * Keeps failing cases in a file, which is read anew and replaced as a whole each time, so that several processes can
 * share it. A file that cannot be read is none, and one that cannot be written is left: verification does not depend
 * on it.
 */
export function failuresIn(file: string | false, configuration: unknown): Failures {
  if (file === false) return { of: () => [], add: () => {}, drop: () => {} }
  const path = resolve(file)
  const of = fingerprint(configuration)
  const isSame = (one: Entry, other: FailedCase): boolean =>
    one.of === of && one.law === other.law && one.seed === other.seed && one.path === other.path
  return {
    of: (law) =>
      read(path)
        .filter((entry) => entry.of === of && entry.law === law)
        .map(({ seed, path: at }) => ({ law, seed, path: at })),
    add: (failed) => write(path, [{ of, ...failed }, ...read(path).filter((entry) => !isSame(entry, failed))]),
    drop: (failed) =>
      write(
        path,
        read(path).filter((entry) => !isSame(entry, failed)),
      ),
  }
}

/** A function goes by its name: a case of other code is tried, and dropped. */
function fingerprint(configuration: unknown): string {
  const text = inspect(configuration, { depth: 10, sorted: true, maxArrayLength: null })
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function read(path: string): readonly Entry[] {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return []
  }
}

function write(path: string, entries: readonly Entry[]): void {
  const temporary = `${path}.${randomUUID()}`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, `${JSON.stringify(entries.slice(0, failuresMax), undefined, 1)}\n`)
    renameSync(temporary, path)
  } catch {
    if (existsSync(temporary)) rmSync(temporary)
  }
}
