import { createHash } from 'node:crypto'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

/** An operator with one account that may use JetStream, and the server's configuration that trusts it. */
export interface Operator {
  readonly config: string
  readonly account: KeyPair
}

export function operatorOf(): Operator {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()]
  const unlimited = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
  const limits = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true }
  const operatorJwt = signed(operator, { name: 'test', sub: keyOf(operator), nats: { type: 'operator', version: 2 } })
  const accountJwt = (of: KeyPair, name: string, more: object): string =>
    signed(operator, { name, sub: keyOf(of), nats: { type: 'account', version: 2, limits: { ...limits, ...more } } })
  const config = [
    `operator: ${operatorJwt}`,
    `system_account: ${keyOf(system)}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    `  ${keyOf(account)}: ${accountJwt(account, 'A', unlimited)}`,
    `  ${keyOf(system)}: ${accountJwt(system, 'SYS', {})}`,
    '}',
  ].join('\n')
  return { account, config }
}

/** The text of a credentials file of a new user of the account. */
export function credentialsFor({ account }: Operator): string {
  const user = nkeys.createUser()
  const limits = { subs: -1, data: -1, payload: -1 }
  const jwt = signed(account, { name: 'user', sub: keyOf(user), nats: { type: 'user', version: 2, ...limits } })
  return [
    '-----BEGIN NATS USER JWT-----',
    jwt,
    '------END NATS USER JWT------',
    '',
    '-----BEGIN USER NKEY SEED-----',
    new TextDecoder().decode(user.getSeed()),
    '------END USER NKEY SEED------',
    '',
  ].join('\n')
}

/** @see https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt */
function signed(issuer: KeyPair, claims: Readonly<Record<string, unknown>>): string {
  const body = { iat: Math.floor(Date.now() / 1_000), iss: keyOf(issuer), ...claims }
  const jti = createHash('sha256').update(JSON.stringify(body)).digest('hex')
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode({ jti, ...body })}`
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function keyOf(pair: KeyPair): string {
  return pair.getPublicKey()
}
