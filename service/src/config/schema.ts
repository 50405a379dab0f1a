import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { type Severity, severities, type Status, statuses } from '../intake/alert-schema.ts'
import { nameText, plainText } from '../intake/plain-text.ts'
import { parseUrl } from './parse-url.ts'

/** The shape of `switchgear.config.json`. */
export interface ConfigFile {
  readonly $schema?: string | undefined
  readonly organizations: Readonly<Record<string, OrganizationConfig>>
  readonly engine?: EngineConfig | undefined
}

export interface OrganizationConfig {
  readonly receivers: readonly ReceiverConfig[]
  /** Without routes every receiver gets every alert. */
  readonly routes?: readonly RouteConfig[] | undefined
  readonly silences?: readonly SilenceConfig[] | undefined
  /** Of its own; where it has none, those of the library hold. */
  readonly limits?: LimitsConfig | undefined
  /** How long a message is worth sending, in ms from acceptance; 3,600,000. */
  readonly maxAgeMs: number
  /** How long a deduplication key is remembered, in ms; 300,000. */
  readonly dedupWindowMs: number
  /** Whether a receiver is told what it missed, once its destination takes messages again; false. */
  readonly recoveredNotices?: boolean | undefined
}

export type ReceiverConfig =
  | { readonly name: string; readonly channel: 'email'; readonly to: readonly string[] }
  | { readonly name: string; readonly channel: 'slack'; readonly url?: string | undefined }
  | { readonly name: string; readonly channel: 'webhook'; readonly url: string; readonly secret: string }

export interface RouteConfig {
  readonly match?: Match | undefined
  readonly to: readonly string[]
  readonly groupBy?: readonly string[] | undefined
  readonly groupWaitMs?: number | undefined
}

export interface SilenceConfig {
  readonly match: Match
  /** An instant, as ISO 8601 has it. */
  readonly until: string
  readonly by: string
  readonly reason: string
}

/** A condition on an alert: all that is given must hold. Each is one value, or any of several. */
export interface Match {
  readonly severity?: OneOrMany<Severity> | undefined
  readonly status?: OneOrMany<Status> | undefined
  readonly type?: OneOrMany<string> | undefined
  readonly labels?: Readonly<Record<string, OneOrMany<string>>> | undefined
}

type OneOrMany<T> = T | readonly T[]

/** What is limited: the alerts that are accepted, and the messages of each channel. */
export type LimitName = 'alerts' | ReceiverConfig['channel']

export type LimitsConfig = Readonly<Partial<Record<LimitName, LimitConfig | undefined>>>

export interface LimitConfig {
  readonly limit: number
  readonly windowMs: number
}

/** What it holds is checked by the library itself, at start. */
export interface EngineConfig {
  readonly breakers?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
  readonly retry?: Readonly<Record<string, unknown>> | undefined
  readonly deadlineMs?: number | undefined
}

const duration: z.ZodType<number> = z
  .number()
  .positive()
  .max(2 ** 31 - 1)

/** An address without a display name; what a server thinks of it is the server's to say. */
const emailAddress: z.ZodType<string> = plainText(320).refine(
  (text) => /^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/.test(text),
  'expected an email address',
)

const httpUrl: z.ZodType<string> = plainText(2_048).refine(
  isHttpUrl,
  'expected an http:// or https:// URL without user and password',
)

const secret: z.ZodType<string> = plainText(512).refine(
  isWebhookSecret,
  'expected whsec_ and at least 24 bytes in base64',
)

const matchSchema: z.ZodType<Match> = z.strictObject({
  severity: oneOrMany(z.enum(severities)).optional(),
  status: oneOrMany(z.enum(statuses)).optional(),
  type: oneOrMany(nameText).optional(),
  labels: z.record(nameText, oneOrMany(plainText(1_024))).optional(),
})

const receiverSchema: z.ZodType<ReceiverConfig> = z.discriminatedUnion('channel', [
  z.strictObject({ name: nameText, channel: z.literal('email'), to: z.array(emailAddress).min(1).max(50) }),
  z.strictObject({ name: nameText, channel: z.literal('slack'), url: httpUrl.optional() }),
  z.strictObject({ name: nameText, channel: z.literal('webhook'), url: httpUrl, secret }),
])

const routeSchema: z.ZodType<RouteConfig> = z.strictObject({
  match: matchSchema.optional(),
  to: z.array(nameText).min(1).max(50),
  groupBy: z.array(nameText).min(1).max(10).optional(),
  groupWaitMs: duration.optional(),
})

const silenceSchema: z.ZodType<SilenceConfig> = z.strictObject({
  match: matchSchema,
  until: z.iso.datetime({ offset: true }),
  by: nameText,
  reason: plainText(1_024),
})

const limitSchema: z.ZodType<LimitConfig> = z.strictObject({
  limit: z.number().int().min(1).max(1_000_000_000),
  windowMs: z.number().int().min(1).max(2_678_400_000),
})

const organizationSchema: z.ZodType<OrganizationConfig> = z.strictObject({
  receivers: z.array(receiverSchema).max(50),
  routes: z.array(routeSchema).max(100).optional(),
  silences: z.array(silenceSchema).max(1_000).optional(),
  limits: z
    .strictObject({
      alerts: limitSchema.optional(),
      email: limitSchema.optional(),
      slack: limitSchema.optional(),
      webhook: limitSchema.optional(),
    })
    .optional(),
  maxAgeMs: duration.default(3_600_000),
  dedupWindowMs: duration.default(300_000),
  recoveredNotices: z.boolean().default(false),
})

const engineSchema: z.ZodType<EngineConfig> = z.strictObject({
  breakers: z.record(nameText, z.record(z.string(), z.unknown())).optional(),
  retry: z.record(z.string(), z.unknown()).optional(),
  deadlineMs: duration.optional(),
})

/** `*` is the operator: a token of an organization by that name would be the operator's. */
const organizationName: z.ZodType<string> = nameText.refine(
  (name) => name !== '*',
  'names the operator; call it otherwise',
)

/** Unknown keys are errors everywhere. */
export const configSchema: z.ZodType<ConfigFile> = z.strictObject({
  $schema: z.string().optional(),
  organizations: z.record(organizationName, organizationSchema),
  engine: engineSchema.optional(),
})

function oneOrMany<T>(value: z.ZodType<T>): z.ZodType<OneOrMany<T>> {
  return z.union([value, z.array(value).min(1).max(100)])
}

function isHttpUrl(text: string): boolean {
  const url = parseUrl(text)
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

function isWebhookSecret(text: string): boolean {
  if (!/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(text)) return false
  try {
    return new Webhook(text).sign('msg', new Date(0), '') !== ''
  } catch {
    return false
  }
}
