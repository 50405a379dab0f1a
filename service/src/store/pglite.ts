import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite, type Transaction } from '@electric-sql/pglite'
import { ConfigError } from 'switchgear'
import { readDataTemplate } from './data-template.ts'
import { type Database, plannerSettings, type Queryable, type Row } from './database.ts'
import { lockDirectory } from './directory-lock.ts'
import { translated } from './store-error.ts'

/** What the service's own tables are called, for tidying up. */
const tables = ['receivers', 'alerts', 'dedups', 'groups', 'holds', 'outbox', 'forgotten']

/**
 * PostgreSQL in this process, its files in `directory`. One process at a time: it holds a lock there.
 * @throws ConfigError when another process has the directory, or it cannot be one.
 */
export async function openPglite(directory: string): Promise<Database> {
  const unlock = await prepare(directory)
  try {
    const engine = await open(directory)
    await engine.exec(plannerSettings.map((name) => `SET ${name} = off`).join('; '))
    return over(engine, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

async function prepare(directory: string): Promise<() => Promise<void>> {
  try {
    await mkdir(directory, { recursive: true })
    return await lockDirectory(directory)
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof Error) || !('code' in error)) throw error
    throw new ConfigError('DATA_DIR', `${directory} cannot be written to (${String(error.code)})`, { cause: error })
  }
}

/**
 * Opens the data folder, or makes it. A folder whose making was cut short, by a kill or a full disk, has no mark; it cannot
 * hold anything that was accepted, and is put aside.
 */
async function open(directory: string): Promise<PGlite> {
  const dataDir = join(directory, 'pgdata')
  const mark = join(directory, 'pgdata.complete')
  if (existsSync(mark)) return PGlite.create({ dataDir })
  if (existsSync(dataDir)) await rename(dataDir, `${dataDir}.incomplete-${Date.now()}`)
  const template = await readDataTemplate()
  const engine = await PGlite.create({ dataDir, ...(template === undefined ? {} : { loadDataDir: template }) })
  await writeFile(mark, '', { flush: true })
  return engine
}

function over(engine: PGlite, unlock: () => Promise<void>): Database {
  return {
    embedded: true,
    query: queryable(engine).query,
    transaction: (work) =>
      translated('PGlite', () => engine.transaction((transaction) => work(queryable(transaction)))),
    async tidy() {
      // There is no autovacuum in a single process; VACUUM takes one table at a time to keep others waiting less.
      for (const table of tables) await translated('PGlite', () => engine.exec(`VACUUM ${table}`))
    },
    async close() {
      await engine.close()
      await unlock()
    },
  }
}

function queryable(engine: PGlite | Transaction): Queryable {
  return {
    query: (sql, parameters = []) =>
      translated('PGlite', async () => (await engine.query<Row>(sql, [...parameters])).rows),
  }
}
