import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from 'switchgear'

/** Whoever holds the lock: a process, and when it began, since process ids come again. */
interface Holder {
  readonly pid: number
  readonly startedAt: string
}

/**
 * Makes this process the only one in a directory: two engines on the same files would destroy them. A lock whose process
 * is gone, also one that was killed, is taken over. Gives the function that releases it.
 * @throws ConfigError naming the process that holds it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock.json')
  const holder = await take(path, { pid: process.pid, startedAt: await startOf(process.pid) })
  if (holder !== undefined)
    throw new ConfigError('DATA_DIR', `${directory} is in use by process ${holder.pid}; give each process its own`)
  return () => rm(path, { force: true })
}

/**
 * Takes the lock, or gives the living process that has it. Several may find the same dead lock: who replaces it holds
 * another lock meanwhile, which is taken over in the same way should its holder die.
 */
async function take(path: string, own: Holder): Promise<Holder | undefined> {
  if (await create(path, own)) return undefined
  const holder = await livingHolder(path)
  if (holder !== undefined) return holder
  const takeover = `${path}.takeover`
  const other = await take(takeover, own)
  if (other !== undefined) return other
  try {
    // It may have been released or taken over before we had the right to.
    if (await create(path, own)) return undefined
    const next = await livingHolder(path)
    if (next === undefined) await writeWhole(path, own, rename)
    return next
  } finally {
    await rm(takeover, { force: true })
  }
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeWhole(path, holder, link)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Nobody is to read half of it: it is written under a name of its own, and put into its place by `put`. */
async function writeWhole(
  path: string,
  holder: Holder,
  put: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}`
  try {
    await writeFile(draft, JSON.stringify(holder), { flag: 'wx' })
    await put(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

async function livingHolder(path: string): Promise<Holder | undefined> {
  const holder = await read(path)
  return holder !== undefined && (await isAlive(holder)) ? holder : undefined
}

async function read(path: string): Promise<Holder | undefined> {
  try {
    const holder: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isHolder(holder) ? holder : undefined
  } catch {
    // A file that was torn by a crash names nobody.
    return undefined
  }
}

function isHolder(value: unknown): value is Holder {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startedAt' in value &&
    typeof value.startedAt === 'string'
  )
}

async function isAlive({ pid, startedAt }: Holder): Promise<boolean> {
  if (pid === process.pid) return startedAt === (await startOf(pid)) && startedAt !== ''
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  return startedAt === (await startOf(pid))
}

/** When a process began, in the kernel's ticks; empty where the system does not say, and for one that is dead and unburied. */
async function startOf(pid: number): Promise<string> {
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')
    return fields?.[0] === 'Z' ? '' : (fields?.[19] ?? '')
  } catch {
    return ''
  }
}
