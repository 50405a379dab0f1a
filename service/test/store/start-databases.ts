import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../../src/store/database.ts'
import { openPglite } from '../../src/store/pglite.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { startPostgresNode } from './postgres-node.ts'
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

/** A PostgreSQL server of our own, or the one that `SWITCHGEAR_TEST_DATABASE_URL` names. */
export async function startPostgres(): Promise<TestDatabase & { readonly url: string }> {
  const running = process.env['SWITCHGEAR_TEST_DATABASE_URL']
  if (running !== undefined) {
    const database = openPostgres(running, () => {})
    return { database, url: running, end: () => database.close() }
  }
  return startPostgresNode()
}
