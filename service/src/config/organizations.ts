import type { Settings } from '../settings.ts'
import { destinationOf, destinationOfMail, outboxDestination } from './destination.ts'
import type {
  ConfigFile,
  LimitsConfig,
  Match,
  OrganizationConfig,
  ReceiverConfig,
  RouteConfig,
  SilenceConfig,
} from './schema.ts'

/** An organization as the service works with it. */
export interface Organization {
  readonly name: string
  readonly receivers: readonly Receiver[]
  readonly routes: readonly RouteConfig[]
  readonly silences: readonly Silence[]
  /** Those of its own. */
  readonly limits: LimitsConfig
  readonly maxAgeMs: number
  readonly dedupWindowMs: number
  readonly recoveredNotices: boolean
}

export interface Silence {
  readonly match: Match
  /** Milliseconds since the epoch. */
  readonly untilAt: number
  /** Who silenced it, until when, and why. */
  readonly told: string
}

/** Who gets messages, by which way, and the breaker that guards the way. */
export interface Receiver {
  readonly name: string
  readonly channel: ReceiverConfig['channel']
  /** The breaker's name, `<channel>:<host>`, or `outbox:<channel>` where the channel has no settings. */
  readonly destination: string
  readonly target: Target
}

/** `outbox` keeps what would have been sent; `to` tells people whom it would have reached. */
export type Target =
  | { readonly kind: 'email'; readonly to: readonly string[] }
  | { readonly kind: 'slack'; readonly url: string }
  | { readonly kind: 'webhook'; readonly url: string; readonly secret: string }
  | { readonly kind: 'outbox'; readonly to: readonly string[] }

export type Organizations = ReadonlyMap<string, Organization>

/** The organizations of a configuration, with each receiver's way out decided from the settings. */
export function organizationsOf(file: ConfigFile, settings: Pick<Settings, 'smtp' | 'slackWebhookUrl'>): Organizations {
  return new Map(
    Object.entries(file.organizations).map(([name, config]) => [name, organization(name, config, settings)]),
  )
}

/** A receiver by its name, if it is configured. */
export function receiverOf(organizations: Organizations, organization: string, name: string): Receiver | undefined {
  return organizations.get(organization)?.receivers.find((receiver) => receiver.name === name)
}

function organization(
  name: string,
  config: OrganizationConfig,
  settings: Pick<Settings, 'smtp' | 'slackWebhookUrl'>,
): Organization {
  return {
    name,
    receivers: config.receivers.map((receiver) => withTarget(receiver, settings)),
    routes: config.routes ?? [],
    silences: (config.silences ?? []).map(silenceOf),
    limits: config.limits ?? {},
    maxAgeMs: config.maxAgeMs,
    dedupWindowMs: config.dedupWindowMs,
    recoveredNotices: config.recoveredNotices ?? false,
  }
}

function silenceOf({ match, until, by, reason }: SilenceConfig): Silence {
  const untilAt = Date.parse(until)
  return { match, untilAt, told: `silenced by ${by} until ${new Date(untilAt).toISOString()}: ${reason}` }
}

function withTarget(config: ReceiverConfig, settings: Pick<Settings, 'smtp' | 'slackWebhookUrl'>): Receiver {
  const { name, channel } = config
  switch (channel) {
    case 'email':
      if (settings.smtp === undefined) return outboxed(name, channel, config.to)
      return {
        name,
        channel,
        destination: destinationOfMail(settings.smtp.url),
        target: { kind: 'email', to: config.to },
      }
    case 'slack': {
      const url = config.url ?? settings.slackWebhookUrl
      if (url === undefined) return outboxed(name, channel, [])
      return { name, channel, destination: destinationOf(channel, url), target: { kind: 'slack', url } }
    }
    case 'webhook': {
      const { url, secret } = config
      return { name, channel, destination: destinationOf(channel, url), target: { kind: 'webhook', url, secret } }
    }
  }
}

function outboxed(name: string, channel: ReceiverConfig['channel'], to: readonly string[]): Receiver {
  return { name, channel, destination: outboxDestination(channel), target: { kind: 'outbox', to } }
}
