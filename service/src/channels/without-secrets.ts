/** What is shorter could be guessed, and is part of ordinary words: of a URL, and of a login. */
const partCharactersMin = 8
const passwordCharactersMin = 4

/** A text of the other side's without what we must not repeat, should it have been repeated to us. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  // The longest first: a part must not be cut out of the whole.
  const sorted = secrets.toSorted((a, b) => b.length - a.length)
  return sorted.reduce((left, secret) => left.replaceAll(secret, '[secret]'), text)
}

/**
 * The path and the query of a URL, and every part of them that is long enough to be a secret, as it is written and as it is
 * meant: whoever knows a webhook's address can write to it.
 */
export function secretsOfUrl(text: string): readonly string[] {
  const { pathname, search } = new URL(text)
  const wholes = [`${pathname}${search}`, pathname, search.slice(1)]
  const parts = `${pathname}${search}`.split(/[/?&=;,]/)
  return [...wholes, ...parts]
    .flatMap((part) => [part, decoded(part)])
    .filter(({ length }) => length >= partCharactersMin)
}

/** A password, and what SMTP makes of it and its user in `AUTH PLAIN` and `AUTH LOGIN`. */
export function secretsOfLogin({ username, password }: URL): readonly string[] {
  const [user, secret] = [decoded(username), decoded(password)]
  if (secret.length < passwordCharactersMin) return []
  const encoded = [secret, `\0${user}\0${secret}`].map((part) => Buffer.from(part).toString('base64'))
  return [secret, password, ...encoded]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
