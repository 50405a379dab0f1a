import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { durationMs, parseOptions } from '../../kernel/options.ts'
import type { EventLog } from '../../ports/event-log.ts'
import { authenticationOf, type Identity, type NatsTls } from './authentication.ts'
import { ownConnection, type Connection } from './connection.ts'
import { givenConnection } from './given-connection.ts'
import { joinLog, type MemberSettings } from './membership.ts'
import { readServers, type Servers } from './servers.ts'

export interface NatsLogOptions extends Identity {
  /**
   * Where NATS is: one URL, or those of several servers of a cluster; `nats://127.0.0.1:4222`. `nats://user:pass@host`
   * and `nats://token@host` identify, `tls://host` insists on TLS.
   */
  readonly servers?: string | readonly string[] | undefined
  /** A connection of yours instead of `servers`; it is never closed. */
  readonly connection?: NatsConnection | undefined
  /** Name of the user, with `pass`. */
  readonly user?: string | undefined
  readonly pass?: string | undefined
  readonly token?: string | undefined
  /** The seed of an NKEY, which begins with `SU`. */
  readonly nkey?: string | undefined
  /** Path of a `.creds` file. It is read again at each connection. */
  readonly credentials?: string | undefined
  /** `true`: nothing without TLS; `false`: not even where the server offers it; or certificates. As the server offers. */
  readonly tls?: boolean | NatsTls | undefined
  /** Whether the streams are made where they are missing. They are never changed. True, unless NODE_ENV is `production`. */
  readonly manage?: boolean | undefined
  /** Copies of the streams in a cluster, 1 to 5; 1. */
  readonly replicas?: number | undefined
  /** Where the server keeps the streams; `file`. */
  readonly storage?: 'file' | 'memory' | undefined
  /** How long the audit keeps what was accepted; 90. 0: there is no audit. */
  readonly auditDays?: number | undefined
  /** The longest that anything asked of NATS may take, in ms; 5,000. */
  readonly deadlineMs?: number | undefined
  /** How often a silent server shows that it is there, in ms, at least 50; 2,000. After two or three missing the link is down. */
  readonly heartbeatMs?: number | undefined
  /** First part of the subjects for answers, where permissions ask for one; `_INBOX`. */
  readonly inboxPrefix?: string | undefined
}

export const natsLogDefaults: Readonly<Omit<MemberSettings, 'manage' | 'inboxPrefix'> & { servers: string }> =
  Object.freeze({
    servers: 'nats://127.0.0.1:4222',
    replicas: 1,
    storage: 'file',
    auditDays: 90,
    deadlineMs: 5_000,
    heartbeatMs: 2_000,
  })

/**
 * The log of a fleet in NATS JetStream: one stream a fleet, `SWITCHGEAR_<fleet>`. Waits for nothing: each instance
 * protects itself on its own evidence until it is linked, and again when the link is lost. Several instances in a process
 * may share one, and so its connection, which is opened for the first and closed after the last.
 * @throws ConfigError
 */
export function natsLog(options: NatsLogOptions = {}): EventLog {
  const given = parseOptions(schema, options, 'natsLog')
  const deadlineMs = given.deadlineMs ?? natsLogDefaults.deadlineMs
  const settings: MemberSettings = {
    manage: given.manage ?? process.env['NODE_ENV'] !== 'production',
    replicas: given.replicas ?? natsLogDefaults.replicas,
    storage: given.storage ?? natsLogDefaults.storage,
    auditDays: given.auditDays ?? natsLogDefaults.auditDays,
    deadlineMs,
    heartbeatMs: given.heartbeatMs ?? natsLogDefaults.heartbeatMs,
    inboxPrefix: given.inboxPrefix,
  }
  const connection = given.connection === undefined ? opened(given, deadlineMs) : givenConnection(given.connection)
  return { join: (member, follower) => joinLog(connection, settings, member, follower) }
}

function opened(given: NatsLogOptions, deadlineMs: number): Connection {
  const { addresses, ...inUrls } = readServers(given.servers ?? natsLogDefaults.servers)
  const identity = authenticationOf(identityOf(given, inUrls))
  const { inboxPrefix } = given
  return ownConnection({
    servers: addresses,
    authentication: async () => ({ ...(await identity()), ...(inboxPrefix !== undefined && { inboxPrefix }) }),
    deadlineMs,
  })
}

/** What the options say, and what the URLs say where they say more. */
function identityOf(given: NatsLogOptions, inUrls: Omit<Servers, 'addresses'>): Identity {
  const { user, pass, token, nkey, credentials, tls } = given
  const named = inUrls.user ?? inUrls.token
  if (named !== undefined && (user ?? token ?? nkey ?? credentials) !== undefined)
    throw new ConfigError('natsLog.servers', `a user in a URL does not go with ${identities.join(', ')}`)
  if (inUrls.tls && tls === false) throw new ConfigError('natsLog.tls', 'false does not go with a URL that is tls://')
  const fromUrls = named === undefined ? { user, pass, token, nkey, credentials } : inUrls
  return { ...fromUrls, tls: tls ?? (inUrls.tls ? true : undefined) }
}

const path = z.string().min(1)
const token = z.string().regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/, 'expected tokens with dots in between, without wildcards')

const schema: z.ZodType<NatsLogOptions> = z
  .strictObject({
    servers: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    connection: z.custom<NatsConnection>(isConnection, 'expected a connection of @nats-io/transport-node').optional(),
    user: z.string().min(1).optional(),
    pass: z.string().optional(),
    nkey: z.string().optional(),
    token: z.string().min(1).optional(),
    credentials: path.optional(),
    tls: z
      .union([
        z.boolean(),
        z.strictObject({
          caFile: path.optional(),
          ca: z.string().optional(),
          certFile: path.optional(),
          cert: z.string().optional(),
          keyFile: path.optional(),
          key: z.string().optional(),
        }),
      ])
      .optional(),
    manage: z.boolean().optional(),
    replicas: z.number().int().min(1).max(5).optional(),
    storage: z.enum(['file', 'memory']).optional(),
    auditDays: z.number().min(0).max(36_500).optional(),
    deadlineMs: durationMs.optional(),
    heartbeatMs: durationMs.min(50).optional(),
    inboxPrefix: token.optional(),
  })
  .superRefine((given, context) => {
    const refuse = (key: keyof NatsLogOptions, message: string): void =>
      // The value at the path is shown in the error, so the path never leads to a secret.
      context.addIssue({ code: 'custom', path: secrets.has(key) ? [] : [key], message: `\`${key}\` ${message}` })
    const others = ['servers', 'pass', 'tls', ...identities].filter((key) => Reflect.get(given, key) !== undefined)
    if (given.connection !== undefined && others[0] !== undefined)
      refuse('connection', `does not go with \`${others[0]}\``)
    const [one, other] = identities.filter((key) => given[key] !== undefined)
    if (one !== undefined && other !== undefined) refuse(one, `does not go with \`${other}\``)
    if (given.pass !== undefined && given.user === undefined) refuse('user', 'is missing, and `pass` is given')
  })

const identities = ['credentials', 'user', 'nkey', 'token'] as const
const secrets: ReadonlySet<keyof NatsLogOptions> = new Set(['pass', 'nkey', 'token'])

function isConnection(value: unknown): boolean {
  const methods = ['publish', 'subscribe', 'request', 'status', 'closed', 'flush']
  return (
    typeof value === 'object' &&
    value !== null &&
    methods.every((name) => typeof Reflect.get(value, name) === 'function')
  )
}
