import { demoOrganization } from './config/demo-config.ts'
import type { Organizations } from './config/organizations.ts'

export interface StartFacts {
  readonly url: string
  readonly organizations: Organizations
  readonly configPath: string | undefined
  /** Where alerts are stored, in words. */
  readonly store: string
  readonly needsToken: boolean
}

/** What a person reads when the service has started: where to look, and one line to try. */
export function startMessage({ url, organizations, configPath, store, needsToken }: StartFacts): string {
  const organization = organizations.keys().next().value ?? demoOrganization
  const alert = {
    organization,
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: '/dev/sda1',
  }
  const reachable = localUrl(url)
  const token = needsToken ? " -H 'authorization: Bearer …'" : ''
  return [
    '',
    `  Switchgear alert service, listening on ${url}`,
    `  Alerts are stored in ${store}.`,
    configPath === undefined
      ? '  Nothing is configured: messages of organization "demo" go to the outbox.'
      : `  Receivers come from ${configPath}.`,
    '',
    '  Try it:',
    `  curl -sS ${reachable}/v1/alerts${token} -H 'content-type: application/json' -d '${shellQuoted(JSON.stringify(alert))}'`,
    '',
    `  The dashboard: ${reachable}/`,
    `  Look at ${reachable}/v1/outbox, ${reachable}/v1/dead-letters and ${reachable}/openapi.json`,
    '',
  ].join('\n')
}

/** Who listens on all addresses is reached at this machine's own; none is called 0.0.0.0 everywhere. */
function localUrl(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

/** Fit to stand between single quotation marks of a shell. */
function shellQuoted(text: string): string {
  return text.replaceAll("'", `'\\''`)
}
