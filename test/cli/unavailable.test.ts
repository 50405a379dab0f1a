import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { runCommandHere } from './command-here.ts'
import { runCommand } from './command.ts'
import { startFleet } from './fleet.ts'

describe('a server that is not there', () => {
  test('ends a command with 3 within its deadline, and one line that says what to do', async () => {
    const servers = `nats://ann:hunter2@127.0.0.1:${await freePort()}`
    const { code, stdout, stderr } = await runCommand(['status', '--servers', servers, '--deadline', '500ms'])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toContain('connection refused (waited 500 ms at most); is NATS running there?')
    expect(stderr).not.toContain('hunter2')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  test('is told to programs as an object', async () => {
    const servers = `127.0.0.1:${await freePort()}`
    const args = ['history', 'smtp', '--json', '--nats', servers, '--deadline', '300ms']
    const { code, stderr } = await runCommandHere(args)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'SWITCHGEAR_UNAVAILABLE' } })
    expect(code).toBe(3)
  })
})

describe('a server that is there', () => {
  const password = 'open sesame'
  let node: NatsNode
  beforeAll(async () => {
    node = await startNatsNode({ config: `authorization { user: alerts, password: "${password}" }` })
  })
  afterAll(() => node?.remove())
  const within = ['--deadline', '60s']

  test('and keeps us out is not asked for long: what to check is said', async () => {
    const { code, stderr } = await runCommandHere(['status', '--user', 'alerts', '--servers', node.url, ...within], {
      NATS_PASSWORD: 'hunter2',
    })
    expect(stderr).toContain('check --user and --pass')
    expect(stderr).not.toContain('hunter2')
    expect(code).toBe(3)
  })

  test('and has no such fleet says that, and no stream is made', async () => {
    const identity = { NATS_URL: node.url, NATS_USER: 'alerts', NATS_PASSWORD: password }
    for (let time = 1; time <= 2; time++) {
      const { code, stderr } = await runCommandHere(['status', '--fleet', 'nobody', ...within], identity)
      expect(stderr).toContain('stream SWITCHGEAR_nobody does not exist')
      expect(stderr).toContain('is --fleet right?')
      expect(code).toBe(3)
    }
  })

  test('lets in who has the password, by an option, a variable or a URL, and an option is above a variable', async () => {
    const withUser = (user: string): string => node.url.replace('//', `//${user}@`)
    const fleet = await startFleet(withUser(`alerts:${encodeURIComponent(password)}`), 'alerts')
    try {
      const all = await Promise.all([
        runCommandHere(['status', '--fleet=alerts', '--user=alerts', '--pass', password, '--nats', node.url]),
        runCommandHere(['status'], {
          FLEET: 'alerts',
          NATS_URL: node.url,
          NATS_USER: 'alerts',
          NATS_PASSWORD: password,
        }),
        runCommandHere(['status', '--fleet', 'alerts', '--servers', withUser('alerts:open%20sesame')], {
          NATS_USER: 'x',
        }),
        runCommandHere(['status', '--fleet', 'alerts', '--user', 'alerts'], {
          NATS_URL: node.url,
          NATS_TOKEN: 'x',
          NATS_PASSWORD: password,
        }),
      ])
      for (const { code, stdout, stderr } of all) {
        expect(stderr).toBe('')
        expect(stdout).toContain('fleet "alerts" is linked: 0 breakers, 0 not closed')
        expect(code).toBe(0)
      }
    } finally {
      await fleet.close()
    }
  })

  test('and freezes ends a command with 3, and leaves no process behind', async () => {
    node.freeze()
    try {
      const { code, stderr } = await runCommand(['status', '--deadline', '1s'], { NATS_URL: node.url })
      expect(stderr).toContain('is unavailable')
      expect(code).toBe(3)
    } finally {
      node.thaw()
    }
  })
})

/** A port that nobody listens on: somebody did a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
