import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { findProgram } from '../../../test/servers/install.ts'
import { until } from '../../../test/servers/until.ts'
import type { Database } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { madeOnce } from './made-once.ts'

/** A PostgreSQL server of our own that can fail: it keeps its socket and its data from one start to the next. */
export interface PostgresNode {
  readonly url: string
  readonly database: Database
  /** As `pg_ctl stop -m immediate`: connections are cut, and what was committed is to be found in the log. Resolves when it is gone. */
  kill(): Promise<void>
  /** Resolves when it answers. */
  start(): Promise<void>
  /** Stops it in the middle of what it does: connections stay, and nothing is answered until `thaw`. */
  freeze(): void
  thaw(): void
  /** Closes the database, ends the server, also when it is frozen or dead, and removes what it left. */
  end(): Promise<void>
}

/**
 * Starts it on a socket in a temporary folder, so that nobody else's can answer. It is installed with apt when it is
 * missing and we may.
 */
export async function startPostgresNode(): Promise<PostgresNode> {
  const bin = programs()
  const folder = mkdtempSync(join(tmpdir(), 'sg-pg-'))
  const owner = unprivileged()
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(folder, owner.uid, owner.gid)
  await makeData(bin, folder, owner)
  const url = `postgresql://switchgear@localhost/postgres?host=${encodeURIComponent(join(folder, 's'))}`
  const database = openPostgres(url, () => {})
  let server = spawnServer(bin, folder, owner)
  const answers = async (): Promise<true> => {
    await database.query('SELECT 1')
    return true
  }
  const node: PostgresNode = {
    url,
    database,
    kill: () => server.kill(),
    async start() {
      server = spawnServer(bin, folder, owner)
      await until('PostgreSQL to answer', answers)
    },
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    async end() {
      node.thaw()
      await database.close()
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await until('PostgreSQL to answer', answers).catch(async (error: unknown) => {
    await node.end()
    throw new Error(`PostgreSQL did not start: ${server.output()}`, { cause: error })
  })
  return node
}

/** Who PostgreSQL runs as. */
interface Owner {
  readonly uid?: number
  readonly gid?: number
}

async function makeData(bin: string, folder: string, owner: Owner): Promise<void> {
  const data = join(folder, 'data')
  // To copy what initdb makes takes a third of its CPU. Who may be in the temporary folder may not be in ours, so that it is made there.
  const made = await madeOnce('postgres', bin.replaceAll('/', '-'), async (empty) => {
    execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'switchgear', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...owner,
    })
    execFileSync('cp', ['-a', data, empty])
  })
  if (!existsSync(data)) execFileSync('cp', ['-a', join(made, 'data'), folder])
  mkdirSync(join(folder, 's'))
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(join(folder, 's'), owner.uid, owner.gid)
}

/** The server's processes. They end with this one: by the exit hook, or on Linux by the kernel. */
function spawnServer(bin: string, folder: string, owner: Owner) {
  const setpriv = findProgram('setpriv')
  const bound = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'QUIT']
  const [program, ...args] = [...bound, join(bin, 'postgres'), '-D', join(folder, 'data'), '-k', join(folder, 's')]
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    program,
    [...args, '-c', 'listen_addresses=', '-c', 'fsync=off'],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...owner },
  )
  const output: string[] = []
  child.stdout.on('data', (text: Buffer) => output.push(text.toString()))
  child.stderr.on('data', (text: Buffer) => output.push(text.toString()))
  const ended = once(child, 'exit')
  /** Those of its processes, but for the first, that do not run. */
  let frozen: readonly number[] = []
  const thaw = (): void => {
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
    frozen = []
    child.kill('SIGCONT')
  }
  const onExit = (): void => {
    thaw()
    child.kill('SIGQUIT')
  }
  process.once('exit', onExit)
  return {
    output: () => output.join(''),
    /** The first one first: it makes the others, and while it stands still none of their numbers goes to somebody else. */
    freeze() {
      child.kill('SIGSTOP')
      frozen = childrenOf(child.pid)
      for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    },
    thaw,
    async kill() {
      child.kill('SIGQUIT')
      await ended
      process.removeListener('exit', onExit)
    },
  }
}

function childrenOf(pid: number | undefined): readonly number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=']).toString().trim().split('\n')
  return lines
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([own = 0, parent]) => (parent === pid ? [own] : []))
}

/** PostgreSQL does not run as root: then it runs as the user that its package makes. */
function unprivileged(): Owner {
  if (process.getuid?.() !== 0) return {}
  const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']).toString())
  return { uid: idOf('-u'), gid: idOf('-g') }
}

/** The folder of the server's programs, which Debian does not put into the path. */
function programs(): string {
  const found = findBin()
  if (found !== undefined) return found
  if (process.getuid?.() === 0 && findProgram('apt-get') !== undefined) {
    const install = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', 'install', '--no-install-recommends', 'postgresql']
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    execFileSync('apt-get', ['-q', 'update'], { env, stdio: ['ignore', 'inherit', 'inherit'] })
    execFileSync('apt-get', install, { env, stdio: ['ignore', 'inherit', 'inherit'] })
    const installed = findBin()
    if (installed !== undefined) return installed
  }
  throw new Error(
    'the tests need PostgreSQL, and no test is skipped. Install it (apt-get install postgresql), or run ' +
      '`docker compose up -d` and set SWITCHGEAR_TEST_DATABASE_URL',
  )
}

function findBin(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}
