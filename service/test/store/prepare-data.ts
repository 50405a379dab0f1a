import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openAlertStore } from '../../src/store/alert-store.ts'
import { dataTemplatePath } from '../../src/store/data-template.ts'
import { openPglite } from '../../src/store/pglite.ts'

const cache = fileURLToPath(new URL('../../../node_modules/.cache/switchgear/', import.meta.url))
const migrations = fileURLToPath(new URL('../../src/store/migrations.ts', import.meta.url))
/** Of one version of PGlite and of our tables. */
const name = `data-${createHash('sha256').update(basename(dataTemplatePath)).update(readFileSync(migrations)).digest('hex').slice(0, 12)}`

let making: Promise<string> | undefined

/**
 * Makes this folder the data folder of a service that was there before and kept nothing: the tables are there, and empty.
 * What a first start costs, which is seconds of CPU, is paid once for all tests that are about something else. A folder
 * that has data stays as it is.
 */
export async function prepareData(folder: string): Promise<void> {
  if (existsSync(join(folder, 'pgdata'))) return
  mkdirSync(folder, { recursive: true })
  // Node's own `cp` takes three times the CPU for a thousand files.
  await promisify(execFile)('cp', ['-R', `${await (making ??= make())}/.`, folder])
}

async function make(): Promise<string> {
  const made = join(cache, name)
  if (existsSync(made)) return made
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'making-'))
  const store = await openAlertStore(await openPglite(folder), { worker: 'nobody' })
  await store.close()
  const older = (await readdir(cache)).filter((each) => each.startsWith('data-') && each !== name)
  await Promise.all(older.map((each) => rm(join(cache, each), { recursive: true, force: true })))
  await rename(folder, made).catch(async (error: unknown) => {
    // Another process was faster, and has made the same.
    if (!existsSync(made)) throw error
    await rm(folder, { recursive: true })
  })
  return made
}
