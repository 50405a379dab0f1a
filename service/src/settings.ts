import { hostname } from 'node:os'
import { ConfigError } from 'switchgear'
import { parseUrl } from './config/parse-url.ts'

/** What the environment says. Every field is checked before anything is opened. */
export interface Settings {
  readonly host: string
  /** 0 to 65,535; 0 lets the system choose. */
  readonly port: number
  readonly fleet: string
  /** Who claims rows and stands in the log of breakers. */
  readonly instance: string
  /** PostgreSQL; without it PGlite in `dataDir`. */
  readonly databaseUrl?: string
  readonly dataDir: string
  /** Where dead letters and what is cached are shared; several nodes of one Cluster. At least one, where it is there. */
  readonly redisUrls?: readonly string[]
  /** Where the fleet agrees on breakers and alerts come in; several servers of one cluster. At least one, where it is there. */
  readonly natsUrls?: readonly string[]
  readonly smtp?: SmtpSettings
  readonly slackWebhookUrl?: string
  readonly webhookAllowPrivate: boolean
  readonly tokens: readonly Token[]
  /** The file that `SWITCHGEAR_CONFIG` names. */
  readonly configFile?: string
  readonly logLevel: string
}

export interface SmtpSettings {
  readonly url: URL
  readonly from: string
}

export interface Token {
  /** An organization's name, or `*` for the operator. */
  readonly organization: string
  readonly secret: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings, which `docs/service.md` lists, from environment variables; an empty variable counts as not set.
 * @throws ConfigError naming the variable. Secrets never stand in its message.
 */
export function readSettings(environment: Environment): Settings {
  const read = (name: string) => {
    const value = environment[name]?.trim()
    return value === undefined || value === '' ? undefined : value
  }
  const databaseUrl = optionalUrl('DATABASE_URL', read('DATABASE_URL'), ['postgres:', 'postgresql:'])
  const slackWebhookUrl = optionalUrl('SLACK_WEBHOOK_URL', read('SLACK_WEBHOOK_URL'), ['https:', 'http:'])
  const redisUrls = serverUrls('REDIS_URL', read('REDIS_URL'), ['redis:', 'rediss:'])
  const natsUrls = serverUrls('NATS_URL', read('NATS_URL'), ['nats:', 'tls:'])
  const configFile = read('SWITCHGEAR_CONFIG')
  const smtp = smtpSettings(read('SMTP_URL'), read('MAIL_FROM'))
  return {
    host: read('HOST') ?? '127.0.0.1',
    port: port(read('PORT') ?? '3000'),
    fleet: fleet(read('FLEET') ?? 'alerts'),
    instance: instance(
      read('INSTANCE') ?? `${hostname()}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`.slice(-128),
    ),
    dataDir: read('DATA_DIR') ?? '.switchgear',
    webhookAllowPrivate: flag('WEBHOOK_ALLOW_PRIVATE', read('WEBHOOK_ALLOW_PRIVATE')),
    tokens: tokens(read('SWITCHGEAR_TOKENS')),
    logLevel: logLevel(read('LOG_LEVEL') ?? 'info'),
    ...(redisUrls === undefined ? {} : { redisUrls }),
    ...(natsUrls === undefined ? {} : { natsUrls }),
    ...(databaseUrl === undefined ? {} : { databaseUrl: databaseUrl.href }),
    ...(slackWebhookUrl === undefined ? {} : { slackWebhookUrl: slackWebhookUrl.href }),
    ...(smtp === undefined ? {} : { smtp }),
    ...(configFile === undefined ? {} : { configFile }),
  }
}

function port(value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
  throw new ConfigError('PORT', `expected a port from 0 to 65535 (given: "${value.slice(0, 16)}")`)
}

function fleet(value: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(value)) return value
  throw new ConfigError('FLEET', 'expected 1 to 64 of A-Z a-z 0-9 _ -')
}

function instance(value: string): string {
  if (value.length <= 128 && value.isWellFormed()) return value
  throw new ConfigError('INSTANCE', 'expected at most 128 characters')
}

function flag(name: string, value: string | undefined): boolean {
  if (value === undefined || value === '0' || value === 'false') return false
  if (value === '1' || value === 'true') return true
  throw new ConfigError(name, `expected 0 or 1 (given: "${value.slice(0, 16)}")`)
}

function logLevel(value: string): string {
  if (['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].includes(value)) return value
  throw new ConfigError('LOG_LEVEL', 'expected trace, debug, info, warn, error, fatal or silent')
}

/** The value of a URL is never shown: it holds a password, or is itself a secret. */
function optionalUrl(name: string, value: string | undefined, protocols: readonly string[]): URL | undefined {
  if (value === undefined) return undefined
  const url = parseUrl(value)
  if (url !== undefined && protocols.includes(url.protocol)) {
    if (isDecodable(url.username) && isDecodable(url.password)) return url
    throw new ConfigError(name, 'its user or password has a % that is none of percent-encoding: write %25')
  }
  const expected = protocols.map((protocol) => `${protocol}//…`).join(' or ')
  throw new ConfigError(name, `expected a URL that begins with ${expected}`)
}

/** One URL, or several with commas in between. */
function serverUrls(
  name: string,
  value: string | undefined,
  protocols: readonly string[],
): readonly string[] | undefined {
  return value?.split(',').map((text) => {
    const url = optionalUrl(name, text.trim(), protocols)
    if (url === undefined || url.hostname === '') throw new ConfigError(name, 'one of its URLs names no host')
    return url.href
  })
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function smtpSettings(url: string | undefined, from: string | undefined): SmtpSettings | undefined {
  const parsed = optionalUrl('SMTP_URL', url, ['smtp:', 'smtps:'])
  if (from !== undefined && !/^[^\r\n]{0,256}[^\s@]+@[^\s@]+$/.test(from))
    throw new ConfigError('MAIL_FROM', 'expected an address, or a name with an address in angle brackets')
  if (parsed === undefined) return undefined
  if (parsed.hostname === '') throw new ConfigError('SMTP_URL', 'names no host')
  return { url: parsed, from: from ?? defaultSender(parsed) }
}

/** Who logs in is usually who may send; otherwise some address at the relay's own host. */
function defaultSender(url: URL): string {
  const user = decodeURIComponent(url.username)
  return user.includes('@') ? user : `switchgear@${url.hostname}`
}

function tokens(value: string | undefined): readonly Token[] {
  if (value === undefined) return []
  const owners = new Map<string, string>()
  return value.split(',').map((entry, index) => {
    const text = entry.trim()
    const colon = text.indexOf(':')
    if (colon < 1 || colon === text.length - 1)
      throw new ConfigError('SWITCHGEAR_TOKENS', `entry ${index + 1}: expected organization:token`)
    const [name, secret] = [text.slice(0, colon), text.slice(colon + 1)]
    if (!isDecodable(name)) throw new ConfigError('SWITCHGEAR_TOKENS', `entry ${index + 1}: write %25 for % in a name`)
    const organization = decodeURIComponent(name)
    const owner = owners.get(secret) ?? organization
    if (owner !== organization)
      throw new ConfigError('SWITCHGEAR_TOKENS', `entry ${index + 1}: its token is that of "${owner}", too`)
    owners.set(secret, owner)
    return { organization, secret }
  })
}
