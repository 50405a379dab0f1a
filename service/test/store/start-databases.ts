import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../../../test/servers/install.ts'
import { until } from '../../../test/servers/until.ts'
import type { Database } from '../../src/store/database.ts'
import { openPglite } from '../../src/store/pglite.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { madeOnce } from './made-once.ts'
import { prepareData } from './prepare-data.ts'

export interface TestDatabase {
  readonly database: Database
  /** Closes it and removes what it left. */
  end(): Promise<void>
}

/** PGlite in a temporary folder, with our tables, which are empty. */
export async function startPglite(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-pglite-'))
  await prepareData(folder)
  const database = await openPglite(folder)
  return {
    database,
    async end() {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * A PostgreSQL server of our own on a socket in a temporary folder, so that nobody else's can answer; or the one that
 * `SWITCHGEAR_TEST_DATABASE_URL` names. Installed with apt when it is missing and we may.
 */
export async function startPostgres(): Promise<TestDatabase & { readonly url: string }> {
  const running = process.env['SWITCHGEAR_TEST_DATABASE_URL']
  if (running !== undefined) {
    const database = openPostgres(running, () => {})
    return { database, url: running, end: () => database.close() }
  }
  return startServer(programs())
}

async function startServer(bin: string): Promise<TestDatabase & { readonly url: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sg-pg-'))
  const owner = unprivileged()
  const options = { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], ...owner }
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  // To copy what initdb makes takes a third of its CPU. Who may be in the temporary folder may not be in ours, so that it is made there.
  const made = await madeOnce('postgres', bin.replaceAll('/', '-'), async (empty) => {
    execFileSync(
      join(bin, 'initdb'),
      ['-D', data, '-U', 'switchgear', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
      options,
    )
    execFileSync('cp', ['-a', data, empty])
  })
  if (!existsSync(data)) execFileSync('cp', ['-a', join(made, 'data'), folder])
  mkdirSync(join(folder, 's'))
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(join(folder, 's'), owner.uid, owner.gid)
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-k', join(folder, 's'), '-c', 'listen_addresses=', '-c', 'fsync=off'],
    options,
  )
  const output: string[] = []
  child.stdout.on('data', (text: Buffer) => output.push(text.toString()))
  child.stderr.on('data', (text: Buffer) => output.push(text.toString()))
  const ended = once(child, 'exit')
  const onExit = (): void => void child.kill('SIGQUIT')
  process.once('exit', onExit)
  const url = `postgresql://switchgear@localhost/postgres?host=${encodeURIComponent(join(folder, 's'))}`
  const database = openPostgres(url, () => {})
  const end = async (): Promise<void> => {
    await database.close()
    child.kill('SIGQUIT')
    await ended
    process.removeListener('exit', onExit)
    rmSync(folder, { recursive: true, force: true })
  }
  await until('PostgreSQL to answer', async () => {
    await database.query('SELECT 1')
    return true
  }).catch(async (error: unknown) => {
    await end()
    throw new Error(`PostgreSQL did not start: ${output.join('')}`, { cause: error })
  })
  return { database, url, end }
}

/** PostgreSQL does not run as root: then it runs as the user that its package makes. */
function unprivileged(): { uid?: number; gid?: number } {
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
