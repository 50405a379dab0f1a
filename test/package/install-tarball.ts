import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** A project of a user's, with the packed library in its `node_modules`. */
export interface Consumer {
  /** What was packed, with paths as they are installed. */
  readonly packed: readonly string[]
  write(path: string, text: string): void
  /** Runs a program there. Rejects when it does not end with 0; its output is in the error's message. */
  run(program: string, ...args: string[]): Promise<string>
  remove(): void
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const execute = promisify(execFile)

/** The library, packed as it would be published. */
export interface Tarball {
  /**
   * Unpacks it, and puts beside it the packages named and no others, so that an import of something that it does not
   * declare fails.
   */
  install(beside: readonly string[]): Promise<Consumer>
  remove(): void
}

export async function packLibrary(): Promise<Tarball> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-packed-'))
  await execute('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root })
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? 'no tarball')
  return {
    install: (beside) => install(tarball, beside),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function install(tarball: string, beside: readonly string[]): Promise<Consumer> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgear-consumer-'))
  const run = async (program: string, ...args: string[]): Promise<string> => {
    const { stdout } = await execute(program, args, { cwd: folder, maxBuffer: 2 ** 26 }).catch((error: unknown) => {
      throw new Error(`${program} ${args.join(' ')} failed: ${outputOf(error)}`, { cause: error })
    })
    return stdout
  }
  const library = join(folder, 'node_modules/switchgear')
  mkdirSync(library, { recursive: true })
  await run('tar', '-xzf', tarball, '--strip-components=1', '-C', library)
  for (const name of beside) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), link)
  }
  return {
    packed: readdirSync(library, { recursive: true, encoding: 'utf8' }),
    write: (path, text) => writeFileSync(join(folder, path), text),
    run,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The compiler writes to stdout, which is not in the message of the error. */
function outputOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'stdout' in error ? `${error.message}\n${String(error.stdout)}` : error.message
}
