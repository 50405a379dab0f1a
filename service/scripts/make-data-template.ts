import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { dataTemplatePath } from '../src/store/data-template.ts'

/**
 * Makes the empty data folder that a first start begins with. Making one takes several seconds of processor time, unpacking
 * it a fraction: so it is made once, when the packages are installed, and goes with the package.
 */
async function makeDataTemplate(path: string): Promise<void> {
  if (existsSync(path)) return
  const engine = await PGlite.create()
  const packed = await engine.dumpDataDir('gzip')
  await engine.close()
  mkdirSync(dirname(path), { recursive: true })
  // Whole or not at all: a start may look for it at this moment.
  writeFileSync(`${path}.part`, Buffer.from(await packed.arrayBuffer()))
  renameSync(`${path}.part`, path)
}

await makeDataTemplate(dataTemplatePath)
