/** A URL, or nothing where the text is none. `URL.parse` itself is not in every Node 20. */
export function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
