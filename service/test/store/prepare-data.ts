import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openAlertStore } from '../../src/store/alert-store.ts'
import { dataTemplatePath } from '../../src/store/data-template.ts'
import { openPglite } from '../../src/store/pglite.ts'
import { madeOnce } from './made-once.ts'

const migrations = fileURLToPath(new URL('../../src/store/migrations.ts', import.meta.url))
/** Of PGlite, and of our tables. */
const version = createHash('sha256')
  .update(basename(dataTemplatePath))
  .update(readFileSync(migrations))
  .digest('hex')
  .slice(0, 12)

/**
 * Makes this folder the data folder of a service that was there before and kept nothing: the tables are there, and empty.
 * What a first start costs, which is seconds of CPU, is paid once for all tests that are about something else. A folder
 * that has data stays as it is.
 */
export async function prepareData(folder: string): Promise<void> {
  if (existsSync(join(folder, 'pgdata'))) return
  mkdirSync(folder, { recursive: true })
  const made = await madeOnce('data', version, async (empty) => {
    const store = await openAlertStore(await openPglite(empty), { worker: 'nobody' })
    await store.close()
  })
  // Node's own `cp` takes three times the CPU for a thousand files.
  await promisify(execFile)('cp', ['-R', `${made}/.`, folder])
}
