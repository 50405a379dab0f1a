import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * The programs that the tests start, and the variable that names a server which is already running instead, or the
 * browser of another name.
 */
export const servers = {
  'redis-server': 'SWITCHGEAR_TEST_REDIS_URL',
  'nats-server': 'SWITCHGEAR_TEST_NATS_URL',
  chromium: 'SWITCHGEAR_TEST_CHROMIUM',
} as const

export type ServerName = keyof typeof servers

/** What `install` asks of the machine. */
export interface Machine {
  find(program: string): string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isRoot: boolean
  run(program: string, args: readonly string[]): void
}

/** Vitest calls this once before the first test: a run without its servers ends here, with exit code 1. */
export function setup(): void {
  install(thisMachine)
}

/**
 * Sees to it that every server is there: in the path, or named by its variable, or installed with apt when we are root
 * on Debian or Ubuntu.
 * @throws Error that says what is missing and what to do about it.
 */
export function install(machine: Machine): void {
  if (missing(machine).length === 0) return
  if (machine.isRoot && machine.find('apt-get') !== undefined) {
    machine.run('apt-get', ['-q', 'update'])
    machine.run('apt-get', [
      '-q',
      '-y',
      '-o',
      'DPkg::Lock::Timeout=120',
      'install',
      '--no-install-recommends',
      ...missing(machine),
    ])
  }
  const still = missing(machine)
  if (still.length > 0) throw new Error(adviceFor(still))
}

/** The path of a program, also in the folders that only root has in its path; `undefined` when it is nowhere. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

const thisMachine: Machine = {
  find: findProgram,
  env: process.env,
  isRoot: process.getuid?.() === 0,
  run: (program, args) =>
    void execFileSync(program, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }),
}

function missing({ find, env }: Machine): ServerName[] {
  return (Object.keys(servers) as ServerName[]).filter(
    (name) => env[servers[name]] === undefined && find(name) === undefined,
  )
}

function adviceFor(names: readonly ServerName[]): string {
  const examples = {
    'redis-server': 'redis://127.0.0.1:6379',
    'nats-server': 'nats://127.0.0.1:4222',
    chromium: '/usr/bin/chromium',
  } as const
  const settings = names.map((name) => `${servers[name]}=${examples[name]}`).join(' ')
  return (
    `the tests need ${names.join(' and ')}, and no test is skipped. Install them (apt-get install ${names.join(' ')}; ` +
    `as root the tests do that themselves), or run \`docker compose up -d\` and then \`${settings} npm test\``
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
