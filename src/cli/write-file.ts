import { writeFileSync } from 'node:fs'
import { ConfigError } from '../index.ts'

/** Writes what an option asks for into the file that it names. @throws ConfigError when that cannot be */
export function writeFile(option: string, path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (error) {
    throw new ConfigError(option, `${JSON.stringify(path)} cannot be written`, { cause: error })
  }
}
