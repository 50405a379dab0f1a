import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from 'switchgear'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { destinationOf, destinationOfMail } from '../src/config/destination.ts'
import { loadConfig, parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { createEngine } from '../src/delivery/engine.ts'
import { readSettings } from '../src/settings.ts'

const example = readFileSync(new URL('../../examples/switchgear.config.json', import.meta.url), 'utf8')

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const email = { name: 'ops', channel: 'email', to: ['ops@acme.example'] }
const slack = { name: 'room', channel: 'slack', url: 'https://hooks.slack.example/x' }
const webhook = { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }
const acme = (over: object = {}) => ({ organizations: { acme: { receivers: [email, slack, webhook], ...over } } })

function thrownBy(work: () => unknown): ConfigError {
  try {
    work()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the configuration', () => {
  it('of the example is taken, and fills in the defaults', () => {
    const file = parseConfig(example, 'example')
    expect(Object.keys(file.organizations)).toEqual(['acme'])
    expect(parseConfig(JSON.stringify(acme()), 'test').organizations['acme']).toMatchObject({
      maxAgeMs: 3_600_000,
      dedupWindowMs: 300_000,
    })
  })

  it.each([
    ['an unknown key at the top', { ...acme(), organisations: {} }, 'organisations'],
    ['an unknown key of an organization', acme({ receiver: [] }), 'organizations.acme.receiver'],
    [
      'an unknown key of a receiver',
      acme({ receivers: [{ ...email, bcc: [] }] }),
      'organizations.acme.receivers.0.bcc',
    ],
    [
      'an unknown channel',
      acme({ receivers: [{ ...email, channel: 'fax' }] }),
      'organizations.acme.receivers.0.channel',
    ],
    ['no receivers', { organizations: { acme: {} } }, 'organizations.acme.receivers'],
    ['an organization that is the operator', { organizations: { '*': { receivers: [] } } }, 'organizations.*'],
    ['no address', acme({ receivers: [{ ...email, to: [] }] }), 'organizations.acme.receivers.0.to'],
    ['what is no address', acme({ receivers: [{ ...email, to: ['ops'] }] }), 'organizations.acme.receivers.0.to.0'],
    [
      'two addresses in one',
      acme({ receivers: [{ ...email, to: ['a@b.example,c@d.example'] }] }),
      'organizations.acme.receivers.0.to.0',
    ],
    ['a URL that is none', acme({ receivers: [{ ...webhook, url: 'acme' }] }), 'organizations.acme.receivers.0.url'],
    [
      'a URL of a file',
      acme({ receivers: [{ ...webhook, url: 'file:///etc/passwd' }] }),
      'organizations.acme.receivers.0.url',
    ],
    [
      'a URL with a password',
      acme({ receivers: [{ ...slack, url: 'https://a:b@c.example' }] }),
      'organizations.acme.receivers.0.url',
    ],
    [
      'a webhook without a secret',
      acme({ receivers: [{ ...webhook, secret: undefined }] }),
      'organizations.acme.receivers.0.secret',
    ],
    [
      'a short secret',
      acme({ receivers: [{ ...webhook, secret: 'whsec_abc' }] }),
      'organizations.acme.receivers.0.secret',
    ],
    ['a receiver named twice', acme({ receivers: [email, email] }), 'organizations.acme.receivers.1.name'],
    ['a route to nobody', acme({ routes: [{ to: ['ops', 'opps'] }] }), 'organizations.acme.routes.0.to.1'],
    [
      'an unknown severity',
      acme({ routes: [{ match: { severity: 'bad' }, to: ['ops'] }] }),
      'organizations.acme.routes.0.match.severity',
    ],
    [
      'an unknown condition',
      acme({ routes: [{ match: { sev: 'low' }, to: ['ops'] }] }),
      'organizations.acme.routes.0.match.sev',
    ],
    [
      'a silence without an end',
      acme({ silences: [{ match: {}, by: 'ann', reason: 'x' }] }),
      'organizations.acme.silences.0.until',
    ],
    [
      'a silence until a day',
      acme({ silences: [{ match: {}, until: 'friday', by: 'ann', reason: 'x' }] }),
      'organizations.acme.silences.0.until',
    ],
    [
      'a limit of nothing',
      acme({ limits: { email: { limit: 0, windowMs: 1 } } }),
      'organizations.acme.limits.email.limit',
    ],
    ['an unknown limit', acme({ limits: { sms: { limit: 1, windowMs: 1 } } }), 'organizations.acme.limits.sms'],
    [
      'a group that is too old when its waiting is over',
      acme({ routes: [{ to: ['ops'], groupWaitMs: 2_000 }], maxAgeMs: 2_000 }),
      'organizations.acme.routes.0.groupWaitMs',
    ],
    [
      'a group that waits as long as groups do, and is too old then',
      acme({ routes: [{ to: ['ops'], groupBy: ['type'] }], maxAgeMs: 1_000 }),
      'organizations.acme.routes.0.groupWaitMs',
    ],
    [
      'a window of half a millisecond',
      acme({ limits: { email: { limit: 1, windowMs: 0.5 } } }),
      'organizations.acme.limits.email.windowMs',
    ],
    ['an age below nothing', acme({ maxAgeMs: -1 }), 'organizations.acme.maxAgeMs'],
    ['an unknown key of the engine', { ...acme(), engine: { breaker: {} } }, 'engine.breaker'],
    ['an organization without a name', { organizations: { '': { receivers: [] } } }, 'organizations.'],
    ['a list', [], ''],
  ])('refuses %s, naming the place', (_what, file, path) => {
    const error = thrownBy(() => parseConfig(JSON.stringify(file), 'test.json'))
    expect(error.path).toBe(path)
    expect(error.message).toContain('test.json')
  })

  it('tells of several mistakes at once, and shows no secret', () => {
    const error = thrownBy(() =>
      parseConfig(JSON.stringify(acme({ receivers: [{ ...webhook, url: 'x', secret: 'hush-hush' }], x: 1 })), 'test'),
    )
    expect(error.message).toContain('organizations.acme.receivers.0.url')
    expect(error.message).toContain('organizations.acme.receivers.0.secret')
    expect(error.message).toContain('organizations.acme.x: is not a known key')
    expect(error.message).not.toContain('hush-hush')
  })

  it.each([
    ['{ "organizations": { "acme": { "receivers": [] } }\n', 'line 2, column 1', 'the end'],
    ['{\n  "organizations": {,}\n}', 'line 2, column 21', '","'],
    ['', 'line 1, column 1', 'the end'],
    ['{"organizations": {}} x', 'line 1, column 23', '"x"'],
    ['{"organizations": tru}', 'line 1, column 19', '"t"'],
    ["{'organizations': {}}", 'line 1, column 2', '"\'"'],
  ])('that is not JSON is refused with line and column: %s', (text, place, found) => {
    const { message } = thrownBy(() => parseConfig(text, 'test.json'))
    expect(message).toContain(place)
    expect(message).toContain(found)
    expect(message).toContain('test.json')
  })

  it('names the path of what the library refuses in the engine', () => {
    const options = { fleet: 'f', instance: 'i', logger: { info() {}, warn() {}, error() {} } }
    const of = (engine: object) => thrownBy(() => createEngine(engine, options)).path
    expect(of({ breakers: { default: { failureTreshold: 3 } } })).toBe('engine.breakers.default.failureTreshold')
    expect(of({ breakers: { 'slack:host': { recoveryTimeoutMs: 0 } } })).toBe(
      'engine.breakers.slack:host.recoveryTimeoutMs',
    )
    expect(of({ retry: { maxAttempts: 0 } })).toBe('engine.retry.maxAttempts')
  })
})

describe('the configuration file', () => {
  let folder: string
  const cwd = process.cwd()
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-config-'))
    process.chdir(folder)
  })
  afterAll(() => {
    process.chdir(cwd)
    rmSync(folder, { recursive: true, force: true })
  })

  it('may be missing: then there is one organization whose messages go to the outbox', async () => {
    const { file, path } = await loadConfig(undefined)
    expect(path).toBeUndefined()
    const organizations = organizationsOf(file, {})
    expect(organizations.get('demo')?.receivers.map(({ destination }) => destination)).toEqual([
      'outbox:email',
      'outbox:slack',
    ])
  })

  it('is an error when it was named and is missing', async () => {
    await expect(loadConfig('nowhere.json')).rejects.toMatchObject({ path: 'SWITCHGEAR_CONFIG' })
  })

  it('is found in the working directory', async () => {
    writeFileSync('switchgear.config.json', example)
    expect((await loadConfig(undefined)).path).toBe(join(process.cwd(), 'switchgear.config.json'))
  })
})

describe('destinations', () => {
  it.each([
    ['https://acme.example/x', 'webhook:acme.example'],
    ['https://acme.example:443/x', 'webhook:acme.example'],
    ['https://acme.example:8443/x', 'webhook:acme.example:8443'],
    ['http://acme.example/x', 'webhook:acme.example'],
    ['http://ACME.example:80/x', 'webhook:acme.example'],
    ['http://[::1]:8080/x', 'webhook:[::1]:8080'],
  ])('%s is guarded by %s', (url, name) => expect(destinationOf('webhook', url)).toBe(name))

  it.each([
    ['smtp://relay.example', 'email:relay.example'],
    ['smtp://relay.example:587', 'email:relay.example'],
    ['smtp://relay.example:2525', 'email:relay.example:2525'],
    ['smtps://u:p@relay.example:465', 'email:relay.example'],
  ])('%s is guarded by %s', (url, name) => expect(destinationOfMail(new URL(url))).toBe(name))

  it('keeps long host names apart within the length of a name', () => {
    const [a, b] = ['a', 'b'].map((end) => destinationOf('webhook', `https://${`${'x'.repeat(60)}.`.repeat(4)}${end}`))
    expect(a?.length).toBe(128)
    expect(a).not.toBe(b)
  })
})

describe('the settings', () => {
  it('have the documented defaults', () => {
    expect(readSettings({})).toMatchObject({
      host: '127.0.0.1',
      port: 3_000,
      fleet: 'alerts',
      dataDir: '.switchgear',
      webhookAllowPrivate: false,
      tokens: [],
    })
  })

  it('read tokens, mail and where to look', () => {
    const settings = readSettings({
      SWITCHGEAR_TOKENS: 'acme:one, *:two:with:colons',
      SMTP_URL: 'smtp://bot%40acme.example:pass@relay.example',
      WEBHOOK_ALLOW_PRIVATE: '1',
      NATS_URL: 'nats://x, tls://user:pass@y:4223',
      PORT: '0',
      MAIL_FROM: '',
    })
    expect(settings.tokens).toEqual([
      { organization: 'acme', secret: 'one' },
      { organization: '*', secret: 'two:with:colons' },
    ])
    expect(settings.smtp?.from).toBe('bot@acme.example')
    expect(settings).toMatchObject({ port: 0, webhookAllowPrivate: true })
    expect(settings.natsUrls).toEqual(['nats://x', 'tls://user:pass@y:4223'])
  })

  it('read tokens of organizations whose names have what separates tokens, percent-encoded', () => {
    const { tokens } = readSettings({ SWITCHGEAR_TOKENS: 'acme%3A eu%2C 100%25:%41, ünï cödé:b' })
    expect(tokens).toEqual([
      { organization: 'acme: eu, 100%', secret: '%41' },
      { organization: 'ünï cödé', secret: 'b' },
    ])
  })

  it('take one Redis, or several nodes of a Cluster', () => {
    expect(readSettings({ REDIS_URL: 'redis://a:6379' })).toMatchObject({ redisUrls: ['redis://a:6379'] })
    const { redisUrls } = readSettings({ REDIS_URL: 'redis://a:6379, rediss://u:p@b:6380' })
    expect(redisUrls).toEqual(['redis://a:6379', 'rediss://u:p@b:6380'])
  })

  it.each([
    ['PORT', '70000'],
    ['PORT', 'http'],
    ['FLEET', 'my fleet'],
    ['DATABASE_URL', 'mysql://u:hunter2@h/d'],
    ['SMTP_URL', 'relay.example:hunter2'],
    ['SLACK_WEBHOOK_URL', 'ftp://hunter2'],
    ['WEBHOOK_ALLOW_PRIVATE', 'yes'],
    ['SWITCHGEAR_TOKENS', 'acme:one,hunter2'],
    ['SWITCHGEAR_TOKENS', 'acme:hunter2,globex:hunter2'],
    ['SWITCHGEAR_TOKENS', 'acme 100%:hunter2'],
    ['SMTP_URL', 'smtp://us%er:hunter2@relay.example'],
    ['DATABASE_URL', 'postgres://user:hunter2%@h/d'],
    ['MAIL_FROM', 'nobody'],
    ['REDIS_URL', 'http://u:hunter2@h'],
    ['REDIS_URL', 'redis://h:6379, hunter2'],
    ['REDIS_URL', 'redis://h,'],
    ['LOG_LEVEL', 'loud'],
  ])('refuse %s=%s, naming the variable and no secret', (name, value) => {
    const error = thrownBy(() => readSettings({ [name]: value }))
    expect(error.path).toBe(name)
    expect(error.message).not.toContain('hunter2')
  })
})
