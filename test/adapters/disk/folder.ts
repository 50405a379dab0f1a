import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder of the running test's own, gone when that is over. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-journal-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
