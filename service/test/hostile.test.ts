import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from 'switchgear/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sized } from '../../test/sized.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { prepareData } from './store/prepare-data.ts'

/** What of a JSON schema is looked at here. */
interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly minimum?: number
}

interface Operation {
  readonly method: string
  readonly path: string
  readonly security?: readonly object[]
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const tokens = { acme: 'acme-token-0123', globex: 'globex-token-4567', '*': 'operator-token-89' }
const acmesOwn = 'a word that only acme may read'
const seed = Number(process.env['SWITCHGEAR_SEED'] ?? Date.now() % 1_000_000)

let folder: string
let service: Service
let operations: readonly Operation[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-hostile-'))
  const plenty = { limit: 1_000_000, windowMs: 60_000 }
  const limits = { alerts: plenty, email: plenty, slack: plenty, webhook: plenty }
  const hook = { name: 'hook', channel: 'webhook', url: 'http://127.0.0.1:9/private', secret }
  const organizations = {
    acme: { receivers: [{ name: 'ops', channel: 'email', to: ['ops@acme.example'] }, hook], limits },
    globex: { receivers: [{ name: 'room', channel: 'slack' }], limits },
  }
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ organizations }))
  const shown = Object.entries(tokens).map(([organization, token]) => `${organization}:${token}`)
  await prepareData(folder)
  service = await serve(
    readSettings({
      SWITCHGEAR_CONFIG: file,
      DATA_DIR: folder,
      PORT: '0',
      LOG_LEVEL: 'silent',
      SWITCHGEAR_TOKENS: shown.join(','),
    }),
  )
  const { paths } = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>
  }
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  )
  for (const organization of ['acme', 'globex']) {
    const alert = {
      organization,
      id: `of-${organization}`,
      severity: 'high',
      status: 'firing',
      type: 'disk',
      message: 'm',
    }
    const title = organization === 'acme' ? acmesOwn : 'Disk full'
    const body = JSON.stringify({ ...alert, title })
    expect((await ask('POST', '/v1/alerts', tokens[organization as 'acme'], body)).status).toBe(202)
  }
})
afterAll(async () => {
  await service.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function ask(method: string, path: string, token?: string, body?: string) {
  const stop = new AbortController()
  const response = await fetch(`${service.url}${path}`, {
    method,
    signal: stop.signal,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  })
  const type = response.headers.get('content-type') ?? ''
  // A stream of events has no end.
  const text = type.startsWith('text/event-stream') ? '' : await response.text()
  stop.abort()
  return { status: response.status, type, text, isOperator: token === tokens['*'] }
}

const random = seededRandom(seed)
const chance = (of: number): boolean => random.next() < of
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T

const hostile: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\0',
  '\ud83d',
  '<script>alert(1)</script>',
  `'; DROP TABLE alerts; --`,
  '../../etc/passwd',
  '%s%n',
  '${7*7}',
  'x'.repeat(5_000),
  '💥'.repeat(200),
  [],
  {},
  [[[[]]]],
  { $ne: null },
  JSON.parse('{"__proto__":{"organization":"acme"}}'),
  { constructor: { prototype: {} } },
]
const plausible = ['acme', 'globex', 'of-acme', 'acme.x', 'webhook:127.0.0.1:9', 'ann', '01JDXXXXXXXXXXXXXXXXXXXXXX']

/** `malice` is the share of values that are none of those that the schema has. */
function valueFor(schema: Schema, malice: number, depth = 0): unknown {
  if (depth > 6 || chance(malice)) return oneOf(hostile)
  if (schema.anyOf !== undefined) return valueFor(oneOf(schema.anyOf), malice, depth)
  if (schema.enum !== undefined) return oneOf(schema.enum)
  switch (schema.type) {
    case 'object': {
      const entries = Object.entries(schema.properties ?? { some: {} }).filter(() => chance(1 - malice / 2))
      const made = Object.fromEntries(entries.map(([name, of]) => [name, valueFor(of, malice, depth + 1)]))
      return chance(malice) ? { ...made, unheardOf: oneOf(hostile) } : made
    }
    case 'array':
      return Array.from({ length: Math.floor(random.next() * 3) }, () =>
        valueFor(schema.items ?? {}, malice, depth + 1),
      )
    case 'integer':
    case 'number':
      return (schema.minimum ?? 0) + Math.floor(random.next() * 50)
    case 'boolean':
      return chance(0.5)
    default:
      return oneOf(plausible)
  }
}

function textFor(schema: Schema, malice: number): string {
  const value = valueFor(schema, malice)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // What is no text at all cannot be put into a URL.
  return encodeURIComponent(text.toWellFormed())
}

function requestFor({ path, parameters = [], requestBody }: Operation): { path: string; body?: string } {
  const malice = oneOf([0, 0.05, 0.3])
  const filled = path.replaceAll(/\{(\w+)\}/g, () => textFor({ type: 'string' }, malice) || 'x')
  const query = parameters
    .filter((each) => each.in === 'query' && chance(0.7))
    .map(({ name, schema }) => `${name}=${textFor(schema, malice)}`)
  const schema = requestBody?.content['application/json']?.schema
  const url = query.length === 0 ? filled : `${filled}?${query.join('&')}`
  if (schema === undefined) return { path: url }
  const body = JSON.stringify(valueFor(schema, malice))
  return { path: url, body: chance(malice / 4) ? body.slice(0, -1) : body }
}

/** What must stand in no answer: places of ours, tokens, secrets, and where webhooks go. */
const neverTold = [...Object.values(tokens), secret, 'whsec_', 'node_modules', '.ts:', '.js:', '/private', '    at ']

function expectSound({ status, type, text, isOperator }: Awaited<ReturnType<typeof ask>>, what: string): void {
  expect(status, what).toBeLessThan(500)
  // To the operator a letter shows the stack of its error: places in the code, for whoever mends it.
  const told = isOperator ? text.replaceAll(/"stack":"(?:[^"\\]|\\.)*"/g, '') : text
  for (const word of neverTold) expect(told, what).not.toContain(word)
  if (status < 400) return
  expect(type, what).toContain('application/problem+json')
  expect(JSON.parse(text), what).toMatchObject({ status, detail: expect.any(String) as string })
}

describe('a hostile afternoon', () => {
  const requests = sized(1_000, 20_000)

  it('of made-up requests ends with no 5xx and nothing told that is not to be', { timeout: 600_000 }, async () => {
    const counts = new Map<number, number>()
    for (let index = 0; index < requests; index += 10)
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const operation = oneOf(operations)
          const { path, body } = requestFor(operation)
          const what = `seed ${seed}: ${operation.method} ${path.slice(0, 300)} ${(body ?? '').slice(0, 1_000)}`
          const answer = await ask(operation.method, path, oneOf([tokens['*'], tokens.acme, tokens.globex]), body)
          expectSound(answer, what)
          counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1)
        }),
      )
    const byStatus = [...counts].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
    process.stdout.write(
      `seed ${seed}: ${requests} requests to ${operations.length} operations, ${byStatus.join(', ')}\n`,
    )
    expect((await ask('GET', '/readyz')).status).toBe(200)
  })

  it('shows a foreign organization nothing, on any route', async () => {
    for (const operation of operations) {
      const path = operation.path.replaceAll(/\{\w+\}/g, 'of-acme')
      const body =
        operation.requestBody === undefined
          ? undefined
          : JSON.stringify({ organization: 'acme', filter: { organization: 'acme' } })
      for (const query of ['', '?organization=acme', '?organization=acme&q=word&by=severity&days=7']) {
        const answer = await ask(operation.method, `${path}${query}`, tokens.globex, body)
        expectSound(answer, `${operation.method} ${path}${query}`)
        expect(answer.text).not.toContain(acmesOwn)
      }
    }
  })

  it('is not let in without a token, on any route but those that say so', async () => {
    const open = operations.filter(({ security }) => security?.length === 0).map(({ path }) => path)
    const mayBeOpen = ['/healthz', '/metrics', '/openapi.json', '/readyz']
    expect(open.filter((path) => !mayBeOpen.includes(path))).toEqual([])
    for (const { method, path, security } of operations) {
      if (security?.length === 0) continue
      for (const token of [undefined, 'acme-token', `${tokens.acme}0`, 'x'.repeat(10_000)])
        expect(
          (await ask(method, path.replaceAll(/\{\w+\}/g, 'x'), token, method === 'POST' ? '{}' : undefined)).status,
        ).toBe(401)
    }
  })
})

describe('the description', () => {
  it('says of every route what it answers, and that errors are problem documents', () => {
    for (const { method, path, responses, security } of operations) {
      const errors = Object.entries(responses).filter(([status]) => !status.startsWith('2'))
      if (security?.length !== 0)
        expect(
          errors.map(([status]) => status),
          `${method} ${path}`,
        ).toContain('4XX')
      for (const [, { content = {} }] of errors)
        expect(Object.keys(content), `${method} ${path}`).toEqual(['application/problem+json'])
    }
  })
})
