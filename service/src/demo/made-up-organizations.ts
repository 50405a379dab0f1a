const secret = `whsec_${Buffer.from('a demonstration needs no good secret').toString('base64')}`

const often = { limit: 100_000, windowMs: 60_000 }
const generous = { alerts: often, email: often, slack: often, webhook: often }

/** A configuration as people write it: three organizations, some receivers in common, and breakers that are quick to show. */
export const madeUpConfig: object = {
  organizations: {
    acme: {
      receivers: [
        { name: 'ops', channel: 'email', to: ['ops@acme.example'] },
        { name: 'room', channel: 'slack', url: 'https://chat.example/services/acme' },
        { name: 'pager', channel: 'webhook', url: 'https://pager.example/acme', secret },
      ],
      routes: [
        { match: { severity: ['critical', 'high'] }, to: ['ops', 'room', 'pager'] },
        { match: { severity: ['medium', 'low', 'info'] }, to: ['room'] },
      ],
      limits: generous,
    },
    globex: {
      receivers: [
        { name: 'room', channel: 'slack', url: 'https://chat.example/services/globex' },
        { name: 'pager', channel: 'webhook', url: 'https://pager.example/globex', secret },
        { name: 'shop', channel: 'webhook', url: 'https://shop.example/hooks/alerts', secret },
      ],
      limits: generous,
    },
    initech: {
      receivers: [
        { name: 'helpdesk', channel: 'email', to: ['help@initech.example'] },
        { name: 'legacy', channel: 'webhook', url: 'https://legacy.example/api/v1/ticket', secret },
      ],
      limits: { ...generous, alerts: { limit: 40, windowMs: 60_000 } },
    },
  },
  engine: {
    breakers: {
      default: { failureThreshold: 5, recoveryTimeoutMs: 4_000, recoveryBackoff: { maxMs: 10_000 }, timeoutMs: 2_000 },
    },
    retry: { maxAttempts: 2, baseDelayMs: 200, maxDelayMs: 2_000 },
  },
}
