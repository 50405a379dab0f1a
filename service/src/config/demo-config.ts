import type { ConfigFile } from './schema.ts'

/** The organization that is there when nothing is configured. */
export const demoOrganization = 'demo'

/**
 * What the service runs on when there is no configuration: one organization, whose messages nobody gets. They go to the
 * outbox, also where mail or Slack is set up, since nobody asked for mail to made-up addresses.
 */
export const demoConfig: ConfigFile = {
  organizations: {
    [demoOrganization]: {
      receivers: [
        { name: 'ops', channel: 'email', to: ['ops@demo.example'] },
        { name: 'room', channel: 'slack' },
      ],
      maxAgeMs: 3_600_000,
      dedupWindowMs: 300_000,
    },
  },
}
