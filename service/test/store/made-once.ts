import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../../node_modules/.cache/switchgear/', import.meta.url))

/**
 * A folder that is made once, whichever test or process comes first, and copied ever after; `version` changes with what
 * would be made. Gives its path.
 */
export async function madeOnce(
  name: string,
  version: string,
  make: (folder: string) => Promise<unknown>,
): Promise<string> {
  const made = join(cache, `${name}-${version}`)
  if (existsSync(made)) return made
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'making-'))
  await make(folder)
  const older = (await readdir(cache)).filter((each) => each.startsWith(`${name}-`) && join(cache, each) !== made)
  await Promise.all(older.map((each) => rm(join(cache, each), { recursive: true, force: true })))
  await rename(folder, made).catch(async (error: unknown) => {
    // Another process was faster, and has made the same.
    if (!existsSync(made)) throw error
    await rm(folder, { recursive: true })
  })
  return made
}
