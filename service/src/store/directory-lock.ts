import { readFile, rm, writeFile } from 'node:fs/promises'
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
  const own: Holder = { pid: process.pid, startedAt: await startOf(process.pid) }
  if (!(await create(path, own))) {
    const holder = await read(path)
    if (holder !== undefined && (await isAlive(holder)))
      throw new ConfigError('DATA_DIR', `${directory} is in use by process ${holder.pid}; give each process its own`)
    await rm(path, { force: true })
    if (!(await create(path, own))) throw new ConfigError('DATA_DIR', `${directory} was just taken by another process`)
  }
  return () => rm(path, { force: true })
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
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

/** When a process began, in the kernel's ticks; empty where the system does not say. */
async function startOf(pid: number): Promise<string> {
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')
    return fields?.[19] ?? ''
  } catch {
    return ''
  }
}
