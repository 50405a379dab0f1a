import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const { dependencies } = createRequire(import.meta.url)('../../package.json') as {
  dependencies: Record<string, string>
}

/** Where the empty data folder for this version of PGlite stands, packed; `scripts/make-data-template.ts` makes it. */
export const dataTemplatePath: string = fileURLToPath(
  new URL(`../../dist/pgdata-${dependencies['@electric-sql/pglite']}.tar.gz`, import.meta.url),
)

/** An empty data folder to begin with; `undefined` when there is none, and PGlite makes its own, which takes longer. */
export async function readDataTemplate(): Promise<Blob | undefined> {
  try {
    return new Blob([await readFile(dataTemplatePath)], { type: 'application/x-gzip' })
  } catch {
    // Packages may be installed without running scripts.
    return undefined
  }
}
