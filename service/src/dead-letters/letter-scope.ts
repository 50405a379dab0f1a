/** Whether a letter or a redrive is one of an organization: its id says so, whether it exists or not. */
export function isOf(organization: string, id: string): boolean {
  return id.startsWith(`${encodeURIComponent(organization).replaceAll('.', '%2E')}.`)
}
