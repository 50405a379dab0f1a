import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'

/** A file of the page. */
export interface Asset {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
}

/** The page's files by name; `index.html` is the page itself. */
export type Assets = ReadonlyMap<string, Asset>

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** What is written by hand, and what the compiler makes of `page`. The paths are the same from `src` and from `dist`. */
const folders = ['../../src/dashboard/assets/', '../../dist/dashboard/page/'].map(
  (path) => new URL(path, import.meta.url),
)

/** Reads the page's files. Rejects where the package was not built. */
export async function readAssets(): Promise<Assets> {
  const assets = new Map<string, Asset>()
  for (const folder of folders)
    for (const name of await readdir(folder)) {
      const type = types[extname(name)]
      if (type === undefined) continue
      const body = await readFile(new URL(name, folder))
      assets.set(name, { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` })
    }
  return assets
}
