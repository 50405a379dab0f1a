import type { Settings } from '../settings.ts'
import type { ConfigFile, OrganizationConfig } from './schema.ts'

/**
 * What is configured and has no effect yet: the configuration takes it, so that one file serves all versions, and the
 * service says so at start.
 */
export function notActive(file: ConfigFile, settings: Pick<Settings, 'notActive'>): readonly string[] {
  const inFile = Object.entries(file.organizations).flatMap(([name, organization]) =>
    notActiveIn(organization).map((what) => `organizations.${name}.${what}`),
  )
  return [...settings.notActive, ...inFile]
}

function notActiveIn({ routes = [] }: OrganizationConfig): readonly string[] {
  return routes.flatMap((route, index) =>
    route.groupBy === undefined && route.groupWaitMs === undefined ? [] : [`routes.${index}.groupBy`],
  )
}
