import { promises, readFileSync } from 'node:fs'
import {
  credsAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type Authenticator,
  type ConnectionOptions,
} from '@nats-io/transport-node'
import { ConfigError } from '../../kernel/errors.ts'

/** Who we are to the server, and who the server is to us. */
export interface Identity {
  readonly user?: string | undefined
  readonly pass?: string | undefined
  readonly token?: string | undefined
  readonly nkey?: string | undefined
  readonly credentials?: string | undefined
  readonly tls?: boolean | NatsTls | undefined
}

/** Certificates in PEM: a file's path, or the text itself. */
export interface NatsTls {
  /** Of the authority that signed the server's certificate; the system's authorities. */
  readonly caFile?: string | undefined
  readonly ca?: string | undefined
  /** Of ours, where the server wants one. */
  readonly certFile?: string | undefined
  readonly cert?: string | undefined
  readonly keyFile?: string | undefined
  readonly key?: string | undefined
}

/**
 * Checks what identifies us, and gives how to make the client's options for each attempt to connect: the credentials
 * file is read anew each time, so that renewed ones are used. No message contains a secret.
 * @throws ConfigError for a seed, or a file, that is none.
 */
export function authenticationOf({
  user,
  pass,
  token,
  nkey,
  credentials,
  tls,
}: Identity): () => Promise<ConnectionOptions> {
  const known: ConnectionOptions = {
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(token !== undefined && { token }),
    ...(nkey !== undefined && { authenticator: fromSeed(nkey) }),
    ...(tls === false && { tls: null }),
    ...(tls === true && { tls: {} }),
    ...(typeof tls === 'object' && { tls: withoutUndefined(tls) }),
  }
  if (credentials === undefined) return async () => known
  try {
    fromCredentials(readFileSync(credentials))
  } catch (error) {
    throw new ConfigError('natsLog.credentials', `"${credentials}" is no file of credentials`, { cause: error })
  }
  return async () => ({ ...known, authenticator: fromCredentials(await promises.readFile(credentials)) })
}

function fromSeed(seed: string): Authenticator {
  const bytes = new TextEncoder().encode(seed)
  try {
    nkeys.fromSeed(bytes).clear()
  } catch {
    throw new ConfigError('natsLog.nkey', 'expected the seed of a user, which begins with SU')
  }
  return nkeyAuthenticator(new TextEncoder().encode(seed))
}

/** Makes the authenticator, and has it sign once, since it looks at the file only then. */
function fromCredentials(file: Uint8Array): Authenticator {
  const authenticator = credsAuthenticator(file)
  authenticator('nonce')
  return authenticator
}

function withoutUndefined(tls: NatsTls): Record<string, string> {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
}
