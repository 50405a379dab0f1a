import { readFileSync } from 'node:fs'
import type { ArgsDef } from 'citty'
import { ConfigError, switchgearDefaults } from '../index.ts'
import type { NatsLogOptions, NatsTls } from '../nats.ts'
import { parseDuration } from './duration.ts'
import { isGiven, textOf, type Given } from './given.ts'

/** Which fleet, where its log is, and who asks. */
export interface FleetOptions {
  readonly fleet: string
  readonly servers: readonly string[]
  readonly identity: Pick<NatsLogOptions, 'user' | 'pass' | 'token' | 'nkey' | 'credentials'>
  readonly tls: boolean | NatsTls | undefined
  /** How long joining may take, in ms. */
  readonly deadlineMs: number
}

const defaultDeadline = '5s'
/** That of the log, which is not read for the sake of the help. */
const defaultServers = 'nats://127.0.0.1:4222'

/** The options that every command has which joins a fleet. */
export const fleetArgs: ArgsDef = {
  fleet: { type: 'string', description: `Name of the fleet (FLEET; ${switchgearDefaults.fleet})`, valueHint: 'name' },
  servers: {
    type: 'string',
    description: `Where NATS is, several with commas (NATS_URL; ${defaultServers})`,
    valueHint: 'url,…',
  },
  nats: { type: 'string', description: 'The same as --servers', valueHint: 'url,…' },
  user: { type: 'string', description: 'User of NATS (NATS_USER)', valueHint: 'name' },
  pass: { type: 'string', description: 'Its password; NATS_PASSWORD shows it to fewer', valueHint: 'text' },
  token: { type: 'string', description: 'A token instead; NATS_TOKEN shows it to fewer', valueHint: 'text' },
  nkey: { type: 'string', description: 'A file with the seed of an NKEY, or the seed (NATS_NKEY)', valueHint: 'file' },
  creds: { type: 'string', description: 'A file of credentials (NATS_CREDS)', valueHint: 'file' },
  tls: { type: 'boolean', description: 'Nothing without TLS' },
  'tls-ca': { type: 'string', description: "The authority of the server's certificate (NATS_CA)", valueHint: 'file' },
  'tls-cert': { type: 'string', description: 'A certificate of ours (NATS_CERT)', valueHint: 'file' },
  'tls-key': { type: 'string', description: 'Its key (NATS_KEY)', valueHint: 'file' },
  deadline: {
    type: 'string',
    description: `How long joining the fleet may take (${defaultDeadline})`,
    valueHint: '500ms|5s|1m',
  },
  json: { type: 'boolean', description: 'JSON for programs, errors too' },
}

/** The variables that stand in for options, for the help. */
export const environment: readonly (readonly [string, string])[] = Object.freeze([
  ['FLEET', '--fleet'],
  ['NATS_URL', '--servers'],
  ['NATS_USER', '--user'],
  ['NATS_PASSWORD', '--pass'],
  ['NATS_TOKEN', '--token'],
  ['NATS_NKEY', '--nkey'],
  ['NATS_CREDS', '--creds'],
  ['NATS_CA', '--tls-ca'],
  ['NATS_CERT', '--tls-cert'],
  ['NATS_KEY', '--tls-key'],
  ['NO_COLOR', 'no colours, also on a terminal'],
])

/** @throws ConfigError */
export function readFleetOptions(given: Given): FleetOptions {
  const servers = serversOf(given)
  return {
    fleet: textOf(given, 'fleet', 'FLEET') ?? switchgearDefaults.fleet,
    servers,
    identity: identityOf(given, servers),
    tls: tlsOf(given),
    deadlineMs: parseDuration(textOf(given, 'deadline') ?? defaultDeadline, '--deadline'),
  }
}

function serversOf(given: Given): readonly string[] {
  const [servers, nats] = [textOf(given, 'servers'), textOf(given, 'nats')]
  if (servers !== undefined && nats !== undefined) throw new ConfigError('--nats', 'it is the same as --servers')
  const urls = servers ?? textOf(given, 'nats', 'NATS_URL') ?? defaultServers
  return urls.split(',').map((url) => url.trim())
}

const identityOptions = ['user', 'token', 'nkey', 'creds'] as const

/** What was typed, or a user in a URL, is meant, whatever else the environment says of it. */
function identityOf(given: Given, servers: readonly string[]): FleetOptions['identity'] {
  const typed = identityOptions.some((name) => textOf(given, name) !== undefined)
  const elsewhere = typed || servers.some((url) => url.includes('@'))
  const from = (name: string, variable: string): string | undefined =>
    textOf(given, name, elsewhere ? undefined : variable)
  const user = from('user', 'NATS_USER')
  return {
    user,
    pass: textOf(given, 'pass', user === undefined ? undefined : 'NATS_PASSWORD'),
    token: from('token', 'NATS_TOKEN'),
    nkey: seedOf(from('nkey', 'NATS_NKEY')),
    credentials: from('creds', 'NATS_CREDS'),
  }
}

/** The seed itself, or that of a file. No message shows what was given, since it may be a seed with a slip in it. */
function seedOf(nkey: string | undefined): string | undefined {
  if (nkey === undefined || /^SU[A-Z2-7]{56}$/.test(nkey)) return nkey
  try {
    return readFileSync(nkey, 'utf8').trim()
  } catch {
    throw new ConfigError(
      '--nkey',
      'it is neither the seed of a user, which begins with SU, nor a file that can be read',
    )
  }
}

function tlsOf(given: Given): boolean | NatsTls | undefined {
  const files = {
    caFile: textOf(given, 'tls-ca', 'NATS_CA'),
    certFile: textOf(given, 'tls-cert', 'NATS_CERT'),
    keyFile: textOf(given, 'tls-key', 'NATS_KEY'),
  }
  if (Object.values(files).some((file) => file !== undefined)) return files
  return isGiven(given, 'tls') ? true : undefined
}
