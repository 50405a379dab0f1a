import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

export interface Certificate {
  /** PEM. Self-signed, so it is its own authority. */
  readonly cert: string
  readonly key: string
}

/** A certificate for localhost and 127.0.0.1 that is valid for a day, made here since a test machine may have no openssl. */
export function selfSigned(commonName: string): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = certificateBody(commonName, publicKey)
  const whole = sequence(body, algorithm, bitString(sign('sha256', body, privateKey)))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1 */
function certificateBody(commonName: string, publicKey: KeyObject): Buffer {
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
  const [hourAgo, tomorrow] = [-3_600_000, 86_400_000].map((ms) => der(0x17, Buffer.from(utcTime(Date.now() + ms))))
  const authority = extension('551d13', sequence(der(0x01, Buffer.from([0xff]))))
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  return sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    sequence(hourAgo ?? empty, tomorrow ?? empty),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(authority, extension('551d11', names))),
  )
}

const empty = Buffer.alloc(0)

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const long = length < 0x80 ? [length] : length < 0x1_00 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...long]), content])
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return der(0x30, ...contents)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function bitString(bytes: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), bytes)
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), der(0x04, value))
}

function utcTime(at: number): string {
  return `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`
}

/** ecdsa-with-SHA256 */
const algorithm = sequence(oid('2a8648ce3d040302'))
