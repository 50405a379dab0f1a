import { ConfigError } from '../index.ts'

/** Opens a door that stands on packages which not everybody has: commands that do not need them work without. */
export async function openDoor<D>(open: () => Promise<D>, packages: string): Promise<D> {
  try {
    return await open()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new ConfigError(packages, `this command needs what is not installed: \`npm install ${packages}\``, {
      cause: error,
    })
  }
}
