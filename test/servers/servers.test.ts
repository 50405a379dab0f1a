import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { converse } from './converse.ts'
import { install, type Machine } from './install.ts'
import { startNats } from './start-nats.ts'
import { startRedis } from './start-redis.ts'
import { until } from './until.ts'

const kinds = [
  { name: 'redis-server', start: () => startRedis(), say: 'PING\r\n', answer: /\+PONG/ },
  {
    name: 'nats-server',
    start: () => startNats({ jetstream: true }),
    say: 'CONNECT {"verbose":false}\r\nPING\r\n',
    answer: /"jetstream":true[^]*PONG/,
  },
] as const

// A temporary folder for this file alone, so that what is left in it is what these servers left.
const ours = mkdtempSync(join(tmpdir(), 'switchgear-servers-'))
beforeAll(() => void vi.stubEnv('TMPDIR', ours))
afterAll(() => rmSync(ours, { recursive: true }))

describe.each(kinds)('a $name of our own', ({ start, say, answer }) => {
  test('starts twice at once, on different ports, and both answer', async () => {
    const [one, two] = await Promise.all([start(), start()])
    try {
      expect(one.url).not.toBe(two.url)
      expect(one.pid).not.toBe(two.pid)
      await converse(portOf(one.url), say, answer)
      await converse(portOf(two.url), say, answer)
    } finally {
      await Promise.all([one.stop(), two.stop()])
    }
  })

  test.each(['stop', 'kill'] as const)('is gone after %s: no process, no answer, no folder', async (how) => {
    const server = await start()
    await server[how]()
    expect(() => process.kill(Number(server.pid), 0)).toThrow('ESRCH')
    await expect(converse(portOf(server.url), say, answer)).rejects.toThrow('ECONNREFUSED')
    expect(readdirSync(ours)).toEqual([])
    await server.stop()
  })
})

test('a server that dies at once is reported with what it said', async () => {
  await expect(startRedis({ args: ['--no-such-setting', '1'] })).rejects.toThrow(/did not start.*no-such-setting/s)
})

test('waiting ends at its deadline, and says what it waited for', async () => {
  await expect(until('the moon', () => undefined, 20)).rejects.toThrow('waited 20 ms in vain for the moon')
})

describe('servers that are not there', () => {
  test('nothing is installed when all are in the path', () => {
    expect(installedOn({ has: ['redis-server', 'nats-server', 'chromium'] })).toEqual([])
  })

  test('root on Debian installs just the missing one with apt', () => {
    expect(installedOn({ has: ['redis-server', 'chromium', 'apt-get'], isRoot: true })).toEqual([
      'apt-get -q update',
      'apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends nats-server',
    ])
  })

  test('anybody else is told what to install, and how to use docker compose', () => {
    expect(() => installedOn({ has: ['apt-get'] })).toThrow(
      /apt-get install redis-server nats-server chromium.*docker compose up -d.*SWITCHGEAR_TEST_REDIS_URL=.*SWITCHGEAR_TEST_NATS_URL=.*SWITCHGEAR_TEST_CHROMIUM=/,
    )
  })

  test('a server that is named by its variable is not missed', () => {
    const env = { SWITCHGEAR_TEST_NATS_URL: 'nats://127.0.0.1:4222' }
    expect(installedOn({ has: ['redis-server', 'chromium'], env })).toEqual([])
  })
})

/** The commands that `install` runs on a machine that has these programs; what apt installs is there afterwards. */
function installedOn({
  has,
  isRoot = false,
  env = {},
}: { has: string[] } & Partial<Pick<Machine, 'isRoot' | 'env'>>): string[] {
  const programs = new Set(has)
  const commands: string[] = []
  const run = (program: string, args: readonly string[]): void => {
    commands.push([program, ...args].join(' '))
    if (args.includes('install')) for (const name of args) programs.add(name)
  }
  install({ env, isRoot, run, find: (program) => (programs.has(program) ? `/usr/bin/${program}` : undefined) })
  return commands
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
