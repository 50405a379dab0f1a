import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { severities, statuses } from '../intake/alert-schema.ts'
import { nameText, plainText } from '../intake/plain-text.ts'
import { parseUrl } from './parse-url.ts'

/** A condition on one property of an alert: one value, or any of several. */
const oneOrMany = <T extends z.ZodType>(value: T) => z.union([value, z.array(value).min(1).max(100)])

const matchSchema = z.strictObject({
  severity: oneOrMany(z.enum(severities)).optional(),
  status: oneOrMany(z.enum(statuses)).optional(),
  type: oneOrMany(nameText).optional(),
  labels: z.record(nameText, oneOrMany(plainText(1_024))).optional(),
})

const duration = z
  .number()
  .positive()
  .max(2 ** 31 - 1)

/** An address without a display name; what a server thinks of it is the server's to say. */
const emailAddress = plainText(320).refine(
  (text) => /^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/.test(text),
  'expected an email address',
)

const httpUrl = plainText(2_048).refine(isHttpUrl, 'expected an http:// or https:// URL without user and password')

const secret = plainText(512).refine(isWebhookSecret, 'expected whsec_ and at least 24 bytes in base64')

const receiverSchema = z.discriminatedUnion('channel', [
  z.strictObject({ name: nameText, channel: z.literal('email'), to: z.array(emailAddress).min(1).max(50) }),
  z.strictObject({ name: nameText, channel: z.literal('slack'), url: httpUrl.optional() }),
  z.strictObject({ name: nameText, channel: z.literal('webhook'), url: httpUrl, secret }),
])

const routeSchema = z.strictObject({
  match: matchSchema.optional(),
  to: z.array(nameText).min(1).max(50),
  groupBy: z.array(nameText).min(1).max(10).optional(),
  groupWaitMs: duration.optional(),
})

const silenceSchema = z.strictObject({
  match: matchSchema,
  until: z.iso.datetime({ offset: true }),
  by: nameText,
  reason: plainText(1_024),
})

const limitSchema = z.strictObject({ limit: z.number().int().min(1).max(1_000_000), windowMs: duration })

const organizationSchema = z.strictObject({
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
})

/** What `engine` holds is checked by the library itself, at start. */
const engineSchema = z.strictObject({
  breakers: z.record(nameText, z.record(z.string(), z.unknown())).optional(),
  retry: z.record(z.string(), z.unknown()).optional(),
  deadlineMs: duration.optional(),
})

const configShape = z.strictObject({
  $schema: z.string().optional(),
  organizations: z.record(nameText, organizationSchema),
  engine: engineSchema.optional(),
})

/** The shape of `switchgear.config.json`. Unknown keys are errors everywhere. */
export const configSchema: z.ZodType<ConfigFile> = configShape

export type Match = Readonly<z.output<typeof matchSchema>>
export type ReceiverConfig = Readonly<z.output<typeof receiverSchema>>
export type RouteConfig = Readonly<z.output<typeof routeSchema>>
export type SilenceConfig = Readonly<z.output<typeof silenceSchema>>
export type OrganizationConfig = Readonly<z.output<typeof organizationSchema>>
export type EngineConfig = Readonly<z.output<typeof engineSchema>>
export type ConfigFile = Readonly<z.output<typeof configShape>>

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
