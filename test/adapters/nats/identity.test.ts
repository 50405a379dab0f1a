import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeys } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { natsLog, type NatsLogOptions } from '../../../src/adapters/nats/nats-log.ts'
import { fleetOn, type LogFleet, type Member } from '../../../src/testing/port-contracts/log-fleet.ts'
import { selfSigned } from '../../servers/certificate.ts'
import { type NatsNode, startNatsNode } from '../../servers/nats-node.ts'
import { until } from '../../servers/until.ts'
import { credentialsFor, operatorOf } from './credentials.ts'
import { linkIs, whyDown } from './seen.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgear-identity-'))
const nodes: NatsNode[] = []
const fleets: LogFleet[] = []
afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.end()))
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()))
  rmSync(folder, { recursive: true })
})

describe('a server that asks for a user and a password', () => {
  const node = startedWith('authorization { user: alerts, password: "open sesame" }')

  test('lets in who has them', async () => {
    await worksWith(node(), { user: 'alerts', pass: 'open sesame' })
    await worksWith(node(), { servers: node().url.replace('//', '//alerts:open%20sesame@') })
  })

  test('keeps others out, who are told why, and try again without end', async () => {
    const member = outsider(node(), { user: 'alerts', pass: 'wrong' })
    await until('the reason', () => /authorization/i.test(whyDown(member)) || undefined)
    expect(states(member)).toEqual(['down'])
    await expect(member.log.append({ topic: 'a', id: 'a', expected: 0, data: new Uint8Array(1) })).rejects.toThrow(
      'there is no link',
    )
  })
})

describe('a server that asks for a token', () => {
  const node = startedWith('authorization { token: "open sesame" }')

  test('lets in who has it, in an option or in a URL', async () => {
    await worksWith(node(), { token: 'open sesame' })
    await worksWith(node(), { servers: node().url.replace('//', '//open%20sesame@') })
  })
})

describe('a server that asks for an NKEY', () => {
  const user = nkeys.createUser()
  const node = startedWith(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`)

  test('lets in who has its seed', async () => {
    await worksWith(node(), { nkey: new TextDecoder().decode(user.getSeed()) })
  })

  test('keeps out who has another', async () => {
    const member = outsider(node(), { nkey: new TextDecoder().decode(nkeys.createUser().getSeed()) })
    await until('the reason', () => /authorization/i.test(whyDown(member)) || undefined)
  })
})

describe('a server with accounts and credentials files', () => {
  const operator = operatorOf()
  const node = startedWith(operator.config)

  test('lets in who has a file, and reads it again at each connection', async () => {
    const path = join(folder, 'user.creds')
    writeFileSync(path, credentialsFor(operator))
    const member = await worksWith(node(), { credentials: path })
    writeFileSync(path, 'these are no credentials')
    await node().kill()
    await node().start()
    await until('the reason', () => /creds|credentials/i.test(whyDown(member)) || undefined)
    writeFileSync(path, credentialsFor(operator))
    await linkIs(member, 'linked')
  })
})

describe('a server that speaks TLS', () => {
  const { cert, key } = selfSigned('switchgear test server')
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  const node = startedWith(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`)

  test('is trusted with its authority, as a text or as a file', async () => {
    await worksWith(node(), { tls: { ca: cert } })
    await worksWith(node(), { tls: { caFile: certFile } })
  })

  test('is not trusted without', async () => {
    const member = outsider(node(), { tls: true })
    await until('the reason', () => /self.signed/i.test(whyDown(member)) || undefined)
  })
})

test('a server without TLS is not spoken to by who insists on it', async () => {
  const plain = await startNatsNode()
  nodes.push(plain)
  for (const insisting of [{ tls: true }, { servers: plain.url.replace('nats:', 'tls:') }]) {
    const member = outsider(plain, insisting)
    await until('the reason', () => /tls/i.test(whyDown(member)) || undefined)
  }
})

function startedWith(config: string): () => NatsNode {
  let node: NatsNode | undefined
  beforeAll(async () => {
    node = await startNatsNode({ config })
    nodes.push(node)
  })
  return () => {
    if (node === undefined) throw new Error('the server is not there yet')
    return node
  }
}

async function worksWith(node: NatsNode, options: NatsLogOptions): Promise<Member> {
  const fleet = joining(node, options)
  const member = await fleet.join()
  await fleet.append(member.log, 'smtp', 0)
  await member.has(1)
  return member
}

function outsider(node: NatsNode, options: NatsLogOptions): Member {
  return joining(node, options).joinAtOnce()
}

function joining(node: NatsNode, options: NatsLogOptions): LogFleet {
  const fleet = fleetOn(natsLog({ servers: node.url, deadlineMs: 2_000, ...options }))
  fleets.push(fleet)
  return fleet
}

const states = ({ links }: Member): readonly string[] => [...new Set(links.map(({ state }) => state))]
