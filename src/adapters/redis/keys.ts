/** A key of an organization: its hash tag puts all of them on one node of a cluster. */
export function organizationKey(fleet: string, kind: string, organization: string, rest: string): string {
  return `sg:${fleet}:${kind}:{${inKey(organization)}}:${rest}`
}

/** Any name as a part of a key: what divides keys is percent-encoded. */
export function inKey(name: string): string {
  if (!dividers.test(name)) return name
  return name.replaceAll(/[%{}:]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

const dividers = /[%{}:]/
