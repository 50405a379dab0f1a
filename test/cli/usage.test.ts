import { describe, expect, test } from 'vitest'
import repository from '../../package.json' with { type: 'json' }
import { runCommandHere } from './command-here.ts'
import { runCommand } from './command.ts'

const letterCommands = 'ls show count stats edit redrive redrives park unpark purge export import'.split(' ')
const commands = ['status', 'watch', 'history', 'force-open', 'disable', 'release']

describe('the command switchgear', () => {
  test('says its version', async () => {
    expect(await runCommand(['--version'])).toEqual({ code: 0, stdout: repository.version, stderr: '' })
  })

  test('names every command, every variable and every exit code in its help', async () => {
    const { code, stdout } = await runCommandHere(['--help'])
    expect(code).toBe(0)
    for (const name of [
      ...commands,
      'limits',
      'dlq',
      'cache',
      'REDIS_URL',
      'NATS_PASSWORD',
      'EXIT CODES',
      'not closed',
    ])
      expect(stdout).toContain(name)
  })

  test.each(commands)('explains %s, without asking NATS', async (name) => {
    const { code, stdout, stderr } = await runCommandHere([name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const option of ['--fleet', '--servers', '--creds', '--json', '--deadline']) expect(stdout).toContain(option)
    // Nothing but text where nobody looks at colours.
    expect(stdout).not.toContain('\u001b')
  })

  test.each(['suggest', 'show', 'override', 'reset'])('explains limits %s, without asking Redis', async (name) => {
    const { code, stdout, stderr } = await runCommandHere(['limits', name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const text of [`switchgear limits ${name}`, '--redis', '--fleet', '--json', '--deadline', '--limits'])
      expect(stdout).toContain(text)
  })

  test.each(letterCommands)('explains dlq %s, without asking Redis', async (name) => {
    const { code, stdout, stderr } = await runCommandHere(['dlq', name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const text of [`switchgear dlq ${name}`, '--redis', '--fleet', '--json', '--deadline', 'EXIT CODES'])
      expect(stdout).toContain(text)
  })

  test.each([
    ['stats', '--kinds'],
    ['invalidate', '--scope'],
  ])('explains cache %s, without asking Redis', async (name, option) => {
    const { code, stdout, stderr } = await runCommandHere(['cache', name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const text of [`switchgear cache ${name}`, '--redis', '--fleet', '--json', '--deadline', option])
      expect(stdout).toContain(text)
  })

  test('explains a group, and shows it where none of its commands is named', async () => {
    const { code, stdout } = await runCommandHere(['limits', '--help'])
    expect(code).toBe(0)
    for (const name of ['suggest', 'show', 'override', 'reset', 'EXIT CODES']) expect(stdout).toContain(name)
    expect(await runCommandHere(['limits'])).toEqual({ code: 2, stdout: '', stderr: `${stdout}\n` })
  })

  test('shows how to use it where nothing is typed', async () => {
    const { code, stdout, stderr } = await runCommand([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('USAGE')
  })
})

describe('wrong usage ends with 2 and one line that says what was wrong:', () => {
  const order = ['force-open', 'smtp', '--by', 'ann', '--reason', 'x']
  test.each([
    [['frobnicate'], 'frobnicate: there is no such command'],
    [['--json', 'status'], 'the command comes first'],
    [['constructor'], 'there is no such command'],
    [['status', '--frobnicate'], "unknown option '--frobnicate'"],
    [['status', '--fleet'], "option '--fleet"],
    [['status', '--no-json'], "unknown option '--no-json'"],
    [['status', '--json=yes'], "option '--json' does not take an argument"],
    [['status', 'a', 'b'], 'expected 1 argument'],
    [['history'], '<BREAKER> is missing'],
    [['history', 'smtp', '--limit', '0'], '--limit: expected a whole number'],
    [['history', 'smtp', '--limit', '1e3'], '--limit: expected a whole number'],
    [['force-open', 'smtp', '--by', 'ann'], '--reason: an order needs one'],
    [['force-open', 'smtp', '--by', 'ann', '--reason', ' '], '--reason: an order needs one'],
    [['release', 'smtp', '--for', '5m', '--reason', 'x'], "unknown option '--for'"],
    [[...order, '--for', '10'], '--for: expected a duration'],
    [[...order, '--for', '0s'], '--for: expected a duration'],
    [[...order, '--for', '25d'], '--for: expected a duration'],
    [[...order, '--for', '-5m'], "option '--for' argument is ambiguous"],
    [['status', '--deadline', 'soon'], '--deadline: expected a duration'],
    [['status', '--fleet', 'a.b'], 'fleet: expected 1 to 64'],
    [['status', '--servers', 'http://127.0.0.1'], 'natsLog.servers: expected a URL'],
    [['status', '--servers', 'nats://a', '--nats', 'nats://b'], '--nats: it is the same as --servers'],
    [['status', '--user', 'a', '--token', 't'], '`user` does not go with `token`'],
    [['limits', 'frobnicate'], 'limits frobnicate: there is no such command; expected one of suggest, show'],
    [['limits', '--json', 'suggest'], 'limits --json: the command comes first'],
    [['limits', 'suggest', 'x'], 'limits suggest: expected no argument, and there are 1'],
    [['limits', 'suggest', '--servers', 'x'], "limits suggest: unknown option '--servers'"],
    [['limits', 'suggest', '--limits', '/nowhere/limits.json'], '--limits: "/nowhere/limits.json" is no file'],
    [['limits', 'suggest', '--redis', 'http://127.0.0.1'], '--redis: expected redis://host:port'],
    [['limits', 'suggest', '--fleet', 'a.b'], 'fleet: expected 1 to 64'],
    [['limits', 'show'], 'limits show: <ORGANIZATION> is missing'],
    [['limits', 'override', 'acme'], 'limits override: <NAME> is missing'],
    [['limits', 'override', 'acme', 'email', 'x'], 'expected 2 arguments, and there are 3'],
    [['limits', 'override', 'acme', 'email'], '--limit: expected --limit and --window, or --none'],
    [['limits', 'override', 'acme', 'email', '--limit', '5'], '--window: expected --limit and --window, or --none'],
    [['limits', 'override', 'acme', 'email', '--limit', '0', '--window', '1h'], '--limit: expected a whole number'],
    [['limits', 'override', 'acme', 'email', '--limit', '5', '--window', '32d'], '--window: expected a duration'],
    [['limits', 'override', 'acme', 'email', '--none', '--limit', '5'], '--none: it does not go with --limit'],
    [['dlq', 'frobnicate'], 'dlq frobnicate: there is no such command; expected one of ls, show'],
    [['dlq', 'ls', 'acme.1'], 'dlq ls: expected no argument, and there are 1'],
    [['dlq', 'ls', '--limit', '1001'], '--limit: expected a whole number from 1 to 1000'],
    [['dlq', 'ls', '--cursor', 'x'], 'cursor: expected what a page gave as its next'],
    [['dlq', 'ls', '--cursor', '1_acme.1', '--all'], '--all: it does not go with --cursor'],
    [['dlq', 'count', '--type', 'bad'], 'filter.errorType: expected one of timeout, connection'],
    [['dlq', 'count', '--organization', ''], '--organization: expected a name'],
    [['dlq', 'count', '--since', 'yesterday'], '--since: expected a day, a time with Z or an offset, or how long ago'],
    [['dlq', 'count', '--since', '2026-11-24T10:00'], '--since: expected a day, a time with Z or an offset'],
    [['dlq', 'count', '--until', '2026-13-24'], '--until: expected a day'],
    [['dlq', 'count', '--until', '0s'], '--until: expected a duration above 0 and up to 3650 days'],
    [['dlq', 'count', '--parked', '--not-parked'], '--not-parked: it does not go with --parked'],
    [['dlq', 'show'], 'dlq show: <ID> is missing'],
    [['dlq', 'edit', 'acme.1'], 'edit: expected --payload or --channel'],
    [['dlq', 'edit', 'acme.1', '--channel', 'x', '--version', '0'], '--version: expected a whole number'],
    [['dlq', 'park'], 'letters: expected ids, a filter, or --all'],
    [['dlq', 'unpark', 'acme.1', '--channel', 'x'], 'letters: ids, a filter and --all do not go together'],
    [['dlq', 'purge', '--yes'], 'letters: expected ids, a filter, or --all'],
    [['dlq', 'redrive'], 'letters: expected ids, a filter, or --all'],
    [['dlq', 'redrive', 'nobody'], 'ids.0: expected the id of a letter'],
    [['dlq', 'redrive', '--all', '--rate', '0'], '--rate: expected a number above 0'],
    [['dlq', 'redrive', '--all', '--max', '1.5'], '--max: expected a whole number'],
    [['dlq', 'redrive', '--job', 'acme.1', '--cancel', 'acme.2'], '--job: it does not go with --cancel'],
    [['dlq', 'redrive', 'acme.1', '--job', 'acme.2'], '--job: it does not go with ids of letters'],
    [['dlq', 'redrive', '--cancel', 'acme.1', '--detach'], '--cancel: it does not go with --detach'],
    [['dlq', 'import', '--retention-days', '0'], '--retention-days: expected a whole number'],
    [['cache', 'frobnicate'], 'cache frobnicate: there is no such command; expected one of stats, invalidate'],
    [['cache', 'stats', 'x'], 'cache stats: expected no argument, and there are 1'],
    [['cache', 'invalidate'], 'cache invalidate: <ORGANIZATION> is missing'],
    [['cache', 'invalidate', 'acme', '--scope', 'x'], '--scope: expected one of all, stats, counts, search'],
    [['cache', 'invalidate', 'x'.repeat(129)], 'organization: expected a text of 1 to 128 characters'],
    [['status', '--creds', '/nowhere/user.creds'], 'natsLog.credentials: "/nowhere/user.creds" is no file'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await runCommandHere(args)
    expect(stderr).toContain(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test('with --json it is an object with a code', async () => {
    const { code, stdout, stderr } = await runCommand(['status', '--json', '--frobnicate'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'SWITCHGEAR_CONFIG', message: expect.stringContaining('--frobnicate') as string },
    })
  })

  test.each([
    [['status', '--nkey', 'SUhunter2']],
    [['status', '--user', 'a', '--pass', 'hunter2', '--token', 'hunter2']],
    [['status', '--servers', 'nats://a:hunter2@host:x']],
    [['status', '--servers', 'nats://a:hunter2@host', '--user', 'b', '--pass', 'hunter2']],
    [['status', '--pass', 'hunter2']],
    [['status', 'smtp', 'hunter2']],
    [['status', '--passwd=hunter2']],
    [['limits', 'suggest', '--redis', 'redis:/ann:hunter2@host:x']],
  ])('no secret is shown: %j', async (args) => {
    const { code, stderr } = await runCommandHere(args)
    expect(stderr).not.toContain('hunter2')
    expect(code).toBe(2)
  })
})
